import koffi from 'koffi';
import { messageOf } from '../../core/errors.js';
import { log } from '../../core/log.js';

/** Return codes of NVML that are handled apart (nvml.h, nvmlReturn_t). */
export const nvmlCode = {
  notSupported: 3,
  noPermission: 4,
  notFound: 6,
  insufficientSize: 7,
  driverNotLoaded: 9,
  libraryNotFound: 12,
  functionNotFound: 13,
  gpuIsLost: 15,
  resetRequired: 16,
  versionMismatch: 18,
} as const;

/** A call that NVML refused. `code` is its return code. */
export class NvmlError extends Error {
  override readonly name = 'NvmlError';
  readonly code: number;

  constructor(call: string, code: number, description: string) {
    super(`${call}: ${description} (${code})`);
    this.code = code;
  }
}

/** A process that holds memory of a GPU. Bytes are null where the driver does not tell. */
export interface GpuProcess {
  pid: number;
  usedBytes: number | null;
}

/** One GPU of NVML. Each method throws `NvmlError` where the GPU does not have the figure. */
export interface NvmlGpu {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  readonly mig: boolean;
  energyMillijoules(): number;
  powerMilliwatts(): number;
  /** Per cent of the last sampling interval in which a kernel ran. */
  utilisationPercent(): number;
  memory(): { totalBytes: number; usedBytes: number };
  clockMegahertz(kind: 'sm' | 'memory'): number;
  temperatureCelsius(): number;
  throttleReasons(): number;
  processes(): GpuProcess[];
  /**
   * Per cent of the time since then (wall clock, µs) in which the SMs worked for a process; 0 where the driver
   * has no sample of it, which is also so for one that it does not show.
   */
  utilisationBy(pid: number, sinceUs: number): number;
}

export interface Nvml {
  readonly driverVersion: string;
  readonly gpus: NvmlGpu[];
  /** GPUs that NVML counts and cannot open, as after falling off the bus. */
  readonly unreachable: { index: number; error: NvmlError }[];
  close(): void;
}

const libraryNames: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libnvidia-ml.so.1',
  win32: 'nvml.dll',
};

type Call = (...values: unknown[]) => number;
const clockKind = { sm: 1, memory: 2 };
const processBytes = 24; // nvmlProcessInfo_t of the _v2 and _v3 calls, in 64-bit layout
const sampleBytes = 32; // nvmlProcessUtilizationSample_t, in 64-bit layout
const samplePlaces = { pid: 0, smUtil: 16 };
const unknownBytes = 0xffff_ffff_ffff_ffffn;

/** The name the library goes by on this platform, and whether it loads; the driver need not be loaded for it. */
export function findNvml(libraryPath = libraryNames[process.platform]): {
  file: string | null;
  loads: boolean;
} {
  if (libraryPath === undefined) return { file: null, loads: false };
  try {
    koffi.load(libraryPath);
    return { file: libraryPath, loads: true };
  } catch (error) {
    log('library %s does not load: %s', libraryPath, error);
    return { file: libraryPath, loads: false };
  }
}

/**
 * Opens NVIDIA's management library, which comes with the driver. Throws `NvmlError` where it answers
 * with an error, and `Error` where there is no such library.
 */
export function openNvml(libraryPath = libraryNames[process.platform]): Nvml {
  if (libraryPath === undefined) throw new Error(`NVML does not exist on ${process.platform}`);
  const library = koffi.load(libraryPath);
  const describe = library.func('str nvmlErrorString(int)') as (code: number) => string;
  /** `answers`: a code by which this function says something, and fails in nothing. */
  const bind = (name: string, parameters: string, answers = 0): Call => {
    let call: Call;
    try {
      call = library.func(`int ${name}(${parameters})`) as Call;
    } catch (error) {
      log('NVML lacks %s: %s', name, error);
      // Older drivers lack newer functions; only the figure they give is missing then.
      return () => {
        throw new NvmlError(name, nvmlCode.functionNotFound, 'this driver has no such function');
      };
    }
    return (...values) => {
      const code = call(...values);
      // Too small a buffer is an answer, not a failure: it tells the size.
      if (code !== 0 && code !== nvmlCode.insufficientSize && code !== answers) {
        throw new NvmlError(name, code, describe(code) ?? 'unknown error');
      }
      return code;
    };
  };

  const device = 'uintptr_t device';
  const calls = {
    shutdown: bind('nvmlShutdown', ''),
    count: bind('nvmlDeviceGetCount_v2', 'void *count'),
    handle: bind('nvmlDeviceGetHandleByIndex_v2', 'unsigned int index, void *device'),
    name: bind('nvmlDeviceGetName', `${device}, void *name, unsigned int length`),
    uuid: bind('nvmlDeviceGetUUID', `${device}, void *uuid, unsigned int length`),
    mig: bind('nvmlDeviceGetMigMode', `${device}, void *current, void *pending`),
    energy: bind('nvmlDeviceGetTotalEnergyConsumption', `${device}, void *energy`),
    power: bind('nvmlDeviceGetPowerUsage', `${device}, void *power`),
    utilisation: bind('nvmlDeviceGetUtilizationRates', `${device}, void *rates`),
    memory: bind('nvmlDeviceGetMemoryInfo', `${device}, void *memory`),
    clock: bind('nvmlDeviceGetClockInfo', `${device}, int kind, void *clock`),
    temperature: bind('nvmlDeviceGetTemperature', `${device}, int sensor, void *temperature`),
    throttle: bind('nvmlDeviceGetCurrentClocksThrottleReasons', `${device}, void *reasons`),
    compute: bind('nvmlDeviceGetComputeRunningProcesses_v3', `${device}, void *count, void *infos`),
    graphics: bind('nvmlDeviceGetGraphicsRunningProcesses_v3', `${device}, void *count, void *infos`),
    byProcess: bind(
      'nvmlDeviceGetProcessUtilization',
      `${device}, void *samples, void *count, uint64_t since`,
      nvmlCode.notFound,
    ),
  };
  bind('nvmlInit_v2', '')();

  const word = new Uint32Array(2);
  const wide = new BigUint64Array(3);
  const text = (call: Call, ...values: unknown[]): string => {
    const buffer = Buffer.alloc(96);
    call(...values, buffer, buffer.length);
    return buffer.toString('utf8', 0, Math.max(0, buffer.indexOf(0)));
  };
  const uint32 = (call: Call, ...values: unknown[]): number => {
    call(...values, word);
    return word[0]!;
  };
  const uint64 = (call: Call, ...values: unknown[]): number => {
    call(...values, wide);
    return Number(wide[0]!);
  };
  const processesBy = (call: Call, handle: bigint): GpuProcess[] => {
    let room = 32;
    for (;;) {
      const infos = Buffer.alloc(room * processBytes);
      word[0] = room;
      const code = call(handle, word, infos);
      const count = word[0]!;
      // NVML says how many there were, and that more may have come meanwhile.
      if (code === nvmlCode.insufficientSize && count > room && count < 1e5) {
        room = count + 8;
        continue;
      }
      return Array.from({ length: Math.min(count, room) }, (_, index) => {
        const usedBytes = infos.readBigUInt64LE(index * processBytes + 8);
        return {
          pid: infos.readUInt32LE(index * processBytes),
          usedBytes: usedBytes === unknownBytes ? null : Number(usedBytes),
        };
      });
    }
  };

  const openGpu = (index: number): NvmlGpu => {
    calls.handle(index, wide);
    const handle = wide[0]!;
    return {
      index,
      name: text(calls.name, handle),
      uuid: text(calls.uuid, handle),
      mig: migEnabled(() => {
        calls.mig(handle, word.subarray(0, 1), word.subarray(1, 2));
        return word[0] === 1;
      }),
      energyMillijoules: () => uint64(calls.energy, handle),
      powerMilliwatts: () => uint32(calls.power, handle),
      utilisationPercent: () => uint32(calls.utilisation, handle),
      memory() {
        calls.memory(handle, wide);
        return { totalBytes: Number(wide[0]!), usedBytes: Number(wide[2]!) };
      },
      clockMegahertz: (kind) => uint32(calls.clock, handle, clockKind[kind]),
      temperatureCelsius: () => uint32(calls.temperature, handle, 0),
      throttleReasons: () => uint64(calls.throttle, handle),
      processes() {
        // Vulkan (hence WebGPU) processes are listed as graphics, CUDA ones as compute, some as both,
        // each time with all they use.
        const byPid = new Map<number, GpuProcess>();
        for (const found of [...processesBy(calls.compute, handle), ...processesBy(calls.graphics, handle)]) {
          if ((byPid.get(found.pid)?.usedBytes ?? -1) < (found.usedBytes ?? 0)) byPid.set(found.pid, found);
        }
        return [...byPid.values()];
      },
      utilisationBy(pid, sinceUs) {
        let room = 128; // The driver keeps about a hundred.
        for (;;) {
          const samples = Buffer.alloc(room * sampleBytes);
          word[0] = room;
          const code = calls.byProcess(handle, samples, word, BigInt(sinceUs));
          if (code === nvmlCode.notFound) return 0;
          const count = word[0]!;
          if (code === nvmlCode.insufficientSize && count > room && count < 1e5) {
            room = count + 8;
            continue;
          }
          for (let at = 0; at < Math.min(count, room) * sampleBytes; at += sampleBytes) {
            if (samples.readUInt32LE(at + samplePlaces.pid) === pid) {
              return samples.readUInt32LE(at + samplePlaces.smUtil);
            }
          }
          return 0;
        }
      },
    };
  };

  const gpus: NvmlGpu[] = [];
  const unreachable: Nvml['unreachable'] = [];
  try {
    const driverVersion = text(bind('nvmlSystemGetDriverVersion', 'void *version, unsigned int length'));
    const count = uint32(calls.count);
    for (let index = 0; index < count; index++) {
      try {
        gpus.push(openGpu(index));
      } catch (error) {
        if (!(error instanceof NvmlError)) throw error;
        unreachable.push({ index, error });
      }
    }
    return { driverVersion, gpus, unreachable, close: () => void calls.shutdown() };
  } catch (error) {
    try {
      calls.shutdown();
    } catch (atShutdown) {
      throw new Error(`${messageOf(error)}, and ${messageOf(atShutdown)}`, { cause: error });
    }
    throw error;
  }
}

function migEnabled(read: () => boolean): boolean {
  try {
    return read();
  } catch (error) {
    if (error instanceof NvmlError) return false; // GPUs that know no MIG answer "not supported".
    throw error;
  }
}
