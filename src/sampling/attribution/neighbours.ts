import { busySigns, levels, type WaitingTally } from '../../core/busy-machine.js';
import type { Warning } from '../../core/codes.js';
import { counterCurve } from '../counter-curve.js';
import { type DeviceUse, isGpu, ownUtilisation } from './devices.js';
import type { SamplingSetting } from './metric.js';
import type { Segment } from './segment.js';

/**
 * Warns where something else used the machine while requests ran, by what the kernel counted: cores that other
 * processes or other guests of the hypervisor used, time in which some task waited for a core (PSI), and the time
 * that the requests' own threads waited. Where the CPU's energy is counted, its counters do not tell them apart.
 * The neighbours of a recording are not there to be stopped.
 */
export function busyMachine(
  segments: readonly Segment[],
  devices: readonly DeviceUse[],
  requests: WaitingTally,
): Warning[] {
  if (segments.some(({ recorded }) => recorded !== null)) return [];
  const most = (of: (segment: Segment) => number) => Math.max(0, ...segments.map(of));
  const others = most((segment) => {
    const [all, own] = [rateOf(segment, 'system', 'busyTime'), rateOf(segment, 'process', 'cpuTime')];
    // A server works for the requests too.
    return all === null || own === null ? 0 : all - own - (rateOf(segment, 'server', 'cpuTime') ?? 0);
  });
  const signs = busySigns({
    cores: others,
    stolenCores: most((segment) => rateOf(segment, 'system', 'stolenTime') ?? 0),
    stall: most((segment) => rateOf(segment, 'system', 'cpuStall') ?? 0),
    waited: requests.share(),
  });
  if (signs.length === 0) return [];
  const countsEnergy = devices.some(
    ({ metric, device, counted }) => metric === 'energy' && counted && !isGpu(device),
  );
  const energy = countsEnergy && others >= levels.cores.notable ? " Others' energy is in the requests'." : '';
  return [
    {
      code: 'busy-neighbours',
      message: `The machine was busy while requests ran: ${signs.map(({ words }) => words).join('; ')}.${energy}`,
      hint: 'Times are of a machine that was shared: stop what else runs on it and measure again.',
    },
  ];
}

/** Rate of a counter of time while requests were measured: 1 is one core, or all of the time. */
function rateOf({ sensors, measured, series }: Segment, device: string, quantity: string): number | null {
  const channel = sensors
    .flatMap(({ channels }) => channels)
    .find((of) => of.device === device && of.quantity === quantity);
  if (channel === undefined || measured === null) return null;
  const { startNs, endNs } = measured;
  const { value } = counterCurve(series(channel), channel.counterPeriodNs).window(startNs, endNs);
  return value === null ? null : value / (endNs - startNs);
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
