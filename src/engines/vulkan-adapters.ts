import koffi, { type LibraryHandle } from 'koffi';
import { log } from '../core/log.js';
import type { Adapter } from '../core/records/model.js';

const loaders: Partial<Record<NodeJS.Platform, string>> = { linux: 'libvulkan.so.1', win32: 'vulkan-1.dll' };
const kinds: readonly Adapter['kind'][] = ['unknown', 'integrated', 'discrete', 'virtual', 'software'];

// Sizes and offsets of vulkan_core.h on 64-bit systems.
const applicationInfo = { size: 48, apiVersion: 44 };
const instanceInfo = { size: 64, structureType: 1, application: 24 };
const properties = {
  size: 1024,
  driverVersion: 4,
  vendor: 8,
  kind: 16,
  name: 20,
  nameBytes: 256,
  storageRange: 324,
};
const memory = { size: 520, heapCount: 260, heaps: 264, heapBytes: 16, flags: 8, ownFlag: 1 };
/** Vulkan 1.1, which Dawn asks for. */
const version11 = (1 << 22) | (1 << 12);
const nvidia = 0x10de;
const mostDevices = 16;

/**
 * The devices that the Vulkan loader offers, in the order in which Dawn prefers them when asked for high
 * performance; empty where there is no loader or no driver.
 */
export function vulkanAdapters(): Adapter[] {
  const loader = loaders[process.platform];
  if (loader === undefined) return [];
  let library: LibraryHandle;
  try {
    library = koffi.load(loader);
  } catch (error) {
    log('no Vulkan loader: %s', error);
    return [];
  }
  const createInstance = library.func('int vkCreateInstance(void *, void *, void *)');
  const enumerate = library.func('int vkEnumeratePhysicalDevices(void *, void *, void *)');
  const readProperties = library.func('void vkGetPhysicalDeviceProperties(void *, void *)');
  const readMemory = library.func('void vkGetPhysicalDeviceMemoryProperties(void *, void *)');
  const destroy = library.func('void vkDestroyInstance(void *, void *)');

  const application = Buffer.alloc(applicationInfo.size);
  application.writeUInt32LE(version11, applicationInfo.apiVersion);
  const info = Buffer.alloc(instanceInfo.size);
  info.writeUInt32LE(instanceInfo.structureType, 0);
  info.writeBigUInt64LE(koffi.address(application), instanceInfo.application);
  const instance = new BigUint64Array(1);
  if (createInstance(info, null, instance) !== 0) return [];
  try {
    const devices = new BigUint64Array(mostDevices);
    const count = Uint32Array.of(mostDevices);
    if (enumerate(instance[0], count, devices) < 0) return [];
    const adapters = [...devices.subarray(0, count[0])].map((device) => {
      const described = Buffer.alloc(properties.size);
      const heaps = Buffer.alloc(memory.size);
      readProperties(device, described);
      readMemory(device, heaps);
      return adapterOf(described, heaps);
    });
    return preferred(adapters);
  } finally {
    destroy(instance[0], null);
  }
}

/** An adapter from VkPhysicalDeviceProperties and VkPhysicalDeviceMemoryProperties. */
export function adapterOf(described: Buffer, heaps: Buffer): Adapter {
  const name = described.subarray(properties.name, properties.name + properties.nameBytes);
  let memoryBytes = 0;
  for (let heap = 0; heap < heaps.readUInt32LE(memory.heapCount); heap++) {
    const at = memory.heaps + heap * memory.heapBytes;
    const own = (heaps.readUInt32LE(at + memory.flags) & memory.ownFlag) !== 0;
    // A window on the same memory for the CPU is a heap of its own: the largest is the memory.
    if (own) memoryBytes = Math.max(memoryBytes, Number(heaps.readBigUInt64LE(at)));
  }
  return {
    name: name.toString('utf8', 0, Math.max(0, name.indexOf(0))),
    kind: kinds[described.readUInt32LE(properties.kind)] ?? 'unknown',
    memoryBytes: memoryBytes > 0 ? memoryBytes : null,
    largestBufferBytes: described.readUInt32LE(properties.storageRange),
    driver: driverVersion(
      described.readUInt32LE(properties.driverVersion),
      described.readUInt32LE(properties.vendor),
    ),
  };
}

/** Discrete before integrated before virtual before software; equals as they come. */
export function preferred(adapters: readonly Adapter[]): Adapter[] {
  const order: readonly Adapter['kind'][] = ['discrete', 'integrated', 'virtual', 'unknown', 'software'];
  return adapters.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

function driverVersion(version: number, vendor: number): string {
  return vendor === nvidia
    ? `${version >>> 22}.${(version >>> 14) & 0xff}.${String((version >>> 6) & 0xff).padStart(2, '0')}`
    : `${version >>> 22}.${(version >>> 12) & 0x3ff}.${version & 0xfff}`;
}
