import { messageOf } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Absence } from '../absence.js';
import { gpuWatts, nvidiaUtilisationOverNs } from '../gpu-power.js';
import { MonotonicCounter } from '../monotonic-counter.js';
import {
  type Channel,
  type MissingChannel,
  milliseconds,
  type OpenSensor,
  oftenNs,
  type SampleSink,
  type Sensor,
} from '../sensor.js';
import { missingByMig } from './mig.js';
import { type GpuProcess, type Nvml, NvmlError, type NvmlGpu, nvmlCode, openNvml } from './nvml-library.js';
import { nvmlTrouble } from './nvml-probe.js';

/**
 * What is read how often. `load` is energy, power and utilisation. `state` is memory, what this process
 * uses, clocks, temperature and throttle reasons: they change slowly, and listing processes takes the driver's lock.
 */
export type NvmlPart = 'load' | 'state';

interface Figure {
  channel: Channel;
  /** In the channel's unit; NaN where there is no value this time. */
  read(atNs: Nanoseconds): number;
  least: number;
  most: number;
}

/** So many failures in a row end a channel; fewer are gaps. */
const mostFailures = 10;
const periods: Record<NvmlPart, Nanoseconds> = { load: oftenNs, state: milliseconds(250) };
const described: Record<NvmlPart, string> = {
  load: 'energy, power and utilisation of NVIDIA GPUs (NVML)',
  state:
    'memory in all and of this process, its utilisation, clocks, temperature and throttling of NVIDIA GPUs (NVML)',
};

/**
 * NVIDIA GPUs through NVML, without nvidia-smi.
 *
 * The power gauge is averaged over 1 s on most GPUs from Ampere on, and on A100 and H100 sees a quarter
 * of the time (Yang et al. 2024, "Part-time Power Measurements"): the energy counter is what to use. What a
 * GPU split by MIG counts of all its instances together is left out, and named as missing.
 * In a container that has its own process ids, this process is not found among the GPU's processes, and
 * `processMemory` has gaps only.
 */
export function nvmlSensor(part: NvmlPart, libraryPath?: string, pid = process.pid): Sensor {
  return {
    name: part === 'load' ? 'nvml' : 'nvml-state',
    platforms: ['linux', 'win32'],
    figures: part === 'load' ? ['gpuEnergy', 'gpuTime'] : [],
    reads: described[part],
    async open(clock) {
      const trouble = await nvmlTrouble(libraryPath);
      if (trouble !== null) return trouble;
      let nvml: Nvml;
      try {
        nvml = openNvml(libraryPath);
      } catch (error) {
        return absenceOf(error);
      }
      const missing: MissingChannel[] = nvml.unreachable.map(({ index, error }) => ({
        device: `gpu-${index}`,
        quantity: 'all',
        ...absenceOf(error),
      }));
      const gpus = nvml.gpus.map((gpu) => ({
        gpu,
        figures: figuresOf(gpu, part, pid).filter((figure) => has(figure, gpu, missing)),
      }));
      // A split GPU alone is no reason to ask nvidia-smi for the same figures.
      const split = missing.some(({ mig }) => mig);
      if (!split && gpus.every(({ figures }) => figures.length === 0)) {
        nvml.close();
        return missing[0] ?? { reason: 'unsupported', hint: 'The NVIDIA driver is loaded and sees no GPU.' };
      }
      return openGpus(
        nvml,
        gpus.map(({ figures }) => figures),
        missing,
        part,
        () => clock.now(),
      );
    },
  };
}

function openGpus(
  nvml: Nvml,
  gpus: Figure[][],
  missing: MissingChannel[],
  part: NvmlPart,
  now: () => Nanoseconds,
): OpenSensor {
  const channels = gpus.flat().map(({ channel }) => channel);
  const failures = new Array<number>(channels.length).fill(0);
  const lost = new Set<number>();
  const lose = (channel: number, why: string, sink: SampleSink) => {
    if (lost.has(channel)) return;
    lost.add(channel);
    sink.lose(channel, why);
  };
  return {
    channels,
    missing,
    periodNs: periods[part],
    arrives: false,
    read(sink) {
      let first = 0;
      for (const figures of gpus) {
        for (const [offset, figure] of figures.entries()) {
          const channel = first + offset;
          if (lost.has(channel)) continue;
          try {
            const atNs = now();
            const value = figure.read(atNs);
            // A driver that answers garbage leaves a gap, never a figure.
            sink.put(channel, value >= figure.least && value <= figure.most ? value : Number.NaN, atNs);
            failures[channel] = 0;
          } catch (error) {
            if (!(error instanceof NvmlError)) throw error;
            if (error.code === nvmlCode.gpuIsLost || error.code === nvmlCode.resetRequired) {
              for (const other of figures.keys()) lose(first + other, error.message, sink);
            } else {
              sink.put(channel, Number.NaN);
              failures[channel]!++;
              if (failures[channel]! >= mostFailures) lose(channel, error.message, sink);
            }
          }
        }
        first += figures.length;
      }
    },
    close: () => nvml.close(),
  };
}

function figuresOf(gpu: NvmlGpu, part: NvmlPart, pid: number): Figure[] {
  const device = `gpu-${gpu.index}`;
  const gauge = (
    quantity: string,
    unit: Channel['unit'],
    most: number,
    read: Figure['read'],
    averagedOverNs?: Nanoseconds,
  ): Figure => ({
    channel: { quantity, device, unit, kind: 'gauge', ...(averagedOverNs && { averagedOverNs }) },
    read,
    least: 0,
    most,
  });
  if (part === 'load') {
    const energy = new MonotonicCounter({ largest: null, scale: 1e-3, mostPerSecond: gpuWatts.most });
    return [
      {
        channel: { quantity: 'energy', device, unit: 'J', kind: 'counter' },
        read: (atNs) => energy.next(gpu.energyMillijoules(), atNs),
        least: 0,
        most: Number.MAX_VALUE,
      },
      gauge('power', 'W', gpuWatts.most, () => gpu.powerMilliwatts() / 1e3, gpuWatts.averagedOverNs),
      gauge('utilisation', 'ratio', 1, () => gpu.utilisationPercent() / 100, nvidiaUtilisationOverNs),
    ];
  }
  const { totalBytes } = probe(() => gpu.memory()) ?? { totalBytes: Number.MAX_VALUE };
  const own = new OwnProcess(gpu, pid);
  return [
    gauge('memoryUsed', 'B', totalBytes, () => gpu.memory().usedBytes),
    gauge('processMemory', 'B', totalBytes, () => own.usedBytes()),
    gauge('processUtilisation', 'ratio', 1, () => own.utilisation(), nvidiaUtilisationOverNs),
    gauge('smClock', 'Hz', 1e10, () => gpu.clockMegahertz('sm') * 1e6),
    gauge('memoryClock', 'Hz', 1e11, () => gpu.clockMegahertz('memory') * 1e6),
    gauge('temperature', '°C', 150, () => gpu.temperatureCelsius()),
    gauge('throttleReasons', 'bits', Number.MAX_SAFE_INTEGER, () => gpu.throttleReasons()),
  ];
}

/** Use of a GPU by this process; NaN where the driver does not show it. */
class OwnProcess {
  readonly #gpu: NvmlGpu;
  readonly #pid: number;
  /** Processes as last listed, for the other figure of the same reading; listing takes the driver's lock. */
  #listed: GpuProcess | null | undefined;

  constructor(gpu: NvmlGpu, pid: number) {
    this.#gpu = gpu;
    this.#pid = pid;
  }

  usedBytes(): number {
    this.#listed = this.#list();
    return this.#listed?.usedBytes ?? Number.NaN;
  }

  /**
   * The share of the last second in which the GPU worked for it: samples of about a second, as those of the
   * GPU's utilisation are, but without the neighbours'. A 0 would mean nothing where it is not shown.
   */
  utilisation(): number {
    const listed = this.#listed === undefined ? this.#list() : this.#listed;
    this.#listed = undefined;
    const percent = this.#gpu.utilisationBy(this.#pid, Date.now() * 1000 - nvidiaUtilisationOverNs / 1000);
    return listed === null ? Number.NaN : percent / 100;
  }

  #list(): GpuProcess | null {
    this.#listed = undefined;
    return this.#gpu.processes().find(({ pid }) => pid === this.#pid) ?? null;
  }
}

/** Reads the figure once; where the GPU does not have it, notes it as missing. */
function has(figure: Figure, gpu: NvmlGpu, missing: MissingChannel[]): boolean {
  const together = missingByMig(gpu, figure.channel.quantity);
  if (together) {
    missing.push(together);
    return false;
  }
  try {
    figure.read(0);
    return true;
  } catch (error) {
    if (!(error instanceof NvmlError)) throw error;
    const { quantity, device } = figure.channel;
    const { reason, hint } = absenceOf(error);
    missing.push({ device, quantity, reason, hint: `${gpu.name}${gpu.mig ? ' (MIG)' : ''}: ${hint}` });
    return false;
  }
}

function probe<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof NvmlError) return null;
    throw error;
  }
}

function absenceOf(error: unknown): Absence {
  const message = messageOf(error);
  if (!(error instanceof NvmlError)) {
    return {
      reason: 'unsupported',
      hint: `NVML cannot be loaded; it comes with the NVIDIA driver, and into a container with: docker run --gpus all (${message})`,
    };
  }
  switch (error.code) {
    case nvmlCode.noPermission:
      return {
        reason: 'permission',
        hint: `The driver refuses this user; see: ls -l /dev/nvidia* (${message})`,
      };
    case nvmlCode.driverNotLoaded:
      return {
        reason: 'unsupported',
        hint: `The NVIDIA driver is not loaded; try: sudo modprobe nvidia (${message})`,
      };
    case nvmlCode.versionMismatch:
      return {
        reason: 'unsupported',
        hint: `The loaded driver and its library differ in version, as after an update; reboot with: sudo reboot (${message})`,
      };
    case nvmlCode.gpuIsLost:
    case nvmlCode.resetRequired:
      return {
        reason: 'unsupported',
        hint: `The GPU fell off the bus; try: sudo nvidia-smi --gpu-reset (${message})`,
      };
    default:
      return { reason: 'unsupported', hint: message };
  }
}
