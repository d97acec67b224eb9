import { describe, expect, it } from 'vitest';
import { adapterOf, preferred } from './vulkan-adapters.js';

/** VkPhysicalDeviceProperties and VkPhysicalDeviceMemoryProperties, as the C structs lie in memory. */
function device(kind: number, vendor: number, driver: number, heaps: [bytes: bigint, flags: number][]) {
  const properties = Buffer.alloc(824);
  properties.writeUInt32LE(driver >>> 0, 4);
  properties.writeUInt32LE(vendor, 8);
  properties.writeUInt32LE(kind, 16);
  properties.write('Some GPU', 20);
  properties.writeUInt32LE(2 ** 32 - 1, 324);
  const memory = Buffer.alloc(520);
  memory.writeUInt32LE(heaps.length, 260);
  for (const [index, [bytes, flags]] of heaps.entries()) {
    memory.writeBigUInt64LE(bytes, 264 + 16 * index);
    memory.writeUInt32LE(flags, 264 + 16 * index + 8);
  }
  return adapterOf(properties, memory);
}

describe('a Vulkan device', () => {
  it('has its name, kind, driver and the memory of its own', () => {
    const nvidia = device(2, 0x10de, (570 << 22) | (86 << 14) | (15 << 6), [
      [24n << 30n, 1],
      [64n << 30n, 0],
      [256n << 20n, 1],
    ]);
    expect(nvidia).toEqual({
      name: 'Some GPU',
      kind: 'discrete',
      memoryBytes: 24 * 2 ** 30,
      largestBufferBytes: 2 ** 32 - 1,
      driver: '570.86.15',
    });
    expect(device(1, 0x8086, (25 << 22) | (0 << 12) | 7, [])).toMatchObject({
      kind: 'integrated',
      memoryBytes: null,
      driver: '25.0.7',
    });
    expect(device(4, 0x10005, 1, []).kind).toBe('software');
    expect(device(77, 0, 0, []).kind).toBe('unknown');
  });

  it('is preferred as Dawn prefers it: a GPU before a CPU that acts as one', () => {
    const [software, integrated, discrete] = [4, 1, 2].map((kind) => device(kind, 0, 0, []));
    expect(preferred([software!, integrated!, discrete!])).toEqual([discrete, integrated, software]);
  });
});
