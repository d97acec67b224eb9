import { type Knee, leastAchieved, mostSlowdown } from '../../analysis/knee.js';
import { formatDuration, formatNumber, formatPercent } from './format.js';

const rateName = (rate: number) => `${formatNumber(rate)} requests/s`;

/** `The knee of m lies between 8 requests/s and 16 requests/s, where TTFT p95 rises to 1.20 s, 3.10 times its flat part. …` */
export function kneeSentence({ model, steps, percentile, rate, next, reason }: Knee): string {
  const rule = `A rate is held while answers keep up with ${formatPercent(leastAchieved)} of requests and the TTFT ${percentile} stays within ${mostSlowdown} times its flat part.`;
  if (rate === null) return `The knee of ${model} lies outside of this sweep: ${reason}. ${rule}`;
  const left = steps.find((step) => step.rate === next)!;
  const how =
    left.left === 'slow'
      ? `TTFT ${percentile} rises to ${formatDuration(left.timeToFirstTokenNs)}, ${formatNumber(left.slowdown)} times its flat part`
      : left.achieved === null
        ? 'next to nothing is answered'
        : `${formatPercent(left.achieved)} of what arrives is answered in time`;
  return `The knee of ${model} lies between ${rateName(rate)} and ${rateName(next!)}, where ${how}. ${rule}`;
}

/** `held`, or why not. */
export function heldWords({ left }: Knee['steps'][number]): string {
  return left === null ? 'held' : left === 'behind' ? 'falls behind' : 'slows down';
}
