import type { Warning } from '../core/codes.js';
import { metricOf } from '../core/metrics.js';
import type { JournalRow } from '../journal/entry.js';
import { isGpu, ownUtilisation } from './device-use.js';
import type { SampledSegment } from './sampled-segment.js';
import type { SamplingSetting } from './sampling-metrics.js';

/** From such a share of the time on that others kept a GPU busy, its energy is not of the requests. */
const notableShare = 0.1;

/** What is to be known of the GPUs before their figures are trusted. */
export function gpuWarnings(
  { sensors, recorded, series }: SampledSegment,
  { usesGpu }: SamplingSetting,
): Warning[] {
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

/** Requests without a figure because its sensor gave nothing, or nonsense, while they ran. */
export function lostFigures(rows: readonly JournalRow[]): Warning[] {
  return (['energy', 'gpuTime'] as const).flatMap((metric) => {
    const lost = rows.filter((row) => 'absent' in row && row.absent?.[metric] === 'lost').length;
    if (lost === 0) return [];
    return [
      {
        code: 'figures-lost',
        message: `${lost} of ${rows.length} requests have no ${metricOf(metric).label}: its sensor gave nothing that can be true at some moment while they ran.`,
        hint: 'The other requests have theirs. Look at the sensor with: tokenwork doctor',
      },
    ];
  });
}
