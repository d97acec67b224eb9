import type { Warning } from '../../core/codes.js';
import { counterCurve } from '../counter-curve.js';
import { type DeviceUse, isGpu, ownUtilisation } from './devices.js';
import type { SamplingSetting } from './metric.js';
import type { Segment } from './segment.js';

/** From so many cores on that others kept busy, an energy of the whole processor is not of the requests. */
const notableCores = 0.2;

/**
 * Warns where other processes used the CPU while requests ran: its counters do not tell them apart. Those
 * of a recording are not there to be stopped.
 */
export function busyNeighbours(segments: readonly Segment[], devices: readonly DeviceUse[]): Warning[] {
  if (segments.some(({ recorded }) => recorded !== null)) return [];
  if (!devices.some(({ metric, device, counted }) => metric === 'energy' && counted && !isGpu(device))) {
    return [];
  }
  const cores = Math.max(0, ...segments.map(othersCores));
  if (cores < notableCores) return [];
  return [
    {
      code: 'busy-neighbours',
      message: `Other processes kept ${cores.toFixed(1)} cores busy while requests ran, and their energy is in the requests'.`,
      hint: 'Stop them and measure again; hold the energy against the CPU time to see how much it matters.',
    },
  ];
}

function othersCores(segment: Segment): number {
  const used = (device: string, quantity: string) => {
    for (const { channels } of segment.sensors) {
      const channel = channels.find((of) => of.device === device && of.quantity === quantity);
      if (!channel || segment.measured === null) continue;
      const { startNs, endNs } = segment.measured;
      const { value } = counterCurve(segment.series(channel), channel.counterPeriodNs).window(startNs, endNs);
      return value === null ? null : value / (endNs - startNs);
    }
    return null;
  };
  const [all, own] = [used('system', 'busyTime'), used('process', 'cpuTime')];
  return all === null || own === null ? 0 : all - own;
}

/** From such a share of the time on that others kept a GPU busy, its energy is not of the requests. */
const notableShare = 0.1;

/** Warns of GPUs whose figures are not of this process alone: split, hidden from it, or kept busy by others. */
export function gpuWarnings({ sensors, recorded, series }: Segment, { usesGpu }: SamplingSetting): Warning[] {
  if (!usesGpu || recorded !== null) return [];
  const warnings: Warning[] = [];
  const split = sensors.flatMap(({ missing }) => missing.filter(({ mig }) => mig));
  if (split.length > 0) {
    const gpus = [...new Set(split.map(({ device }) => device))];
    warnings.push({
      code: 'gpu-split',
      message: `MIG splits ${gpus.join(', ')}: what it counts is of all instances together, and in no figure of this run.`,
      hint: [...new Set(split.map(({ hint }) => hint))].join(' '),
    });
  }
  const channels = sensors.flatMap(({ channels: of }) => of);
  const own = channels.filter(({ quantity }) => quantity === 'processMemory');
  if (own.length > 0 && !own.some((channel) => series(channel).values.some((bytes) => bytes > 0))) {
    const gpus = [...new Set(channels.map(({ device }) => device).filter(isGpu))];
    warnings.push({
      code: 'gpu-processes-hidden',
      message: `The driver does not show this process among those on ${gpus.join(', ')}, as in a container with process ids of its own: energy and GPU time hold those of neighbours.`,
      hint: 'Start the container with --pid=host, or make sure that nobody else uses these GPUs.',
    });
  }
  const meanOf = (device: string, quantity: string) => {
    const channel = channels.find((of) => of.device === device && of.quantity === quantity);
    const known = (channel ? series(channel).values : []).filter(Number.isFinite);
    return known.reduce((sum, share) => sum + share, 0) / known.length;
  };
  for (const { device } of channels.filter(({ quantity }) => quantity === ownUtilisation)) {
    const ownShare = meanOf(device, ownUtilisation);
    const others = meanOf(device, 'utilisation') - ownShare;
    // A driver that shows nothing of this process tells nothing of the others either.
    if (!(ownShare > 0 && others >= notableShare)) continue;
    warnings.push({
      code: 'busy-neighbours',
      message: `Other processes kept ${device} busy for ${Math.round(others * 100)}% of the time; their energy is in the requests'.`,
      hint: 'Stop them and measure again. GPU time is of this process alone where its method says so.',
    });
  }
  return warnings;
}
