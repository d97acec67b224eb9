import type { Warning } from '../core/codes.js';
import { counterCurve } from '../sampling/counter-curve.js';
import { type DeviceUse, isGpu } from './device-use.js';
import type { SampledSegment } from './sampled-segment.js';

/** From so many cores on that others kept busy, an energy of the whole processor is not of the requests. */
const notableCores = 0.2;

/**
 * Warns where other processes used the CPU while requests ran: its counters do not tell them apart. Those
 * of a recording are not there to be stopped.
 */
export function busyNeighbours(
  segments: readonly SampledSegment[],
  devices: readonly DeviceUse[],
): Warning[] {
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

function othersCores(segment: SampledSegment): number {
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
