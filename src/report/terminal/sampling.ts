import type { Result } from '../../core/result.js';
import { formatNumber, formatPercent } from '../words/format.js';
import { metricName } from '../words/names.js';
import { describeRegressions } from '../words/server.js';

/** A sampler that costs more of a core than this is said to, as is one that lost anything. */
const notableShare = 0.01;

/** The part of a report on sampling: the resting power, how far sharing is off, what the sampler cost. */
export function samplingNotes(result: Result): string[] {
  return [
    ...restingPower(result),
    ...describeRegressions(result),
    ...sharingErrors(result),
    ...samplerCost(result),
  ];
}

/** `At rest: package-0 12.3 W before, 12.5 W after` … */
function restingPower({ idleBaseline = {} }: Result): string[] {
  const devices = Object.entries(idleBaseline).flatMap(([key, { unit, before, after, mean }]) => {
    if (mean === null) return [];
    const device = key.slice(key.indexOf('/') + 1);
    const at = (value: number | null, when: string) =>
      value === null ? [] : [`${formatNumber(value)} ${unit} ${when}`];
    return [`${device} ${[...at(before, 'before'), ...at(after, 'after')].join(', ')}`];
  });
  return devices.length === 0
    ? []
    : [`At rest: ${devices.join('; ')}. It is in the requests' energy, not subtracted.`];
}

function sharingErrors({ attributionErrors = [] }: Result): string[] {
  return attributionErrors.map(
    ({ metric, method, against, median, largest, compared, concurrency, coverage }) =>
      `Error of sharing ${metricName(metric)} among ${concurrency} requests (${method}): median ` +
      `${formatPercent(median)}, largest ${formatPercent(largest)} of ${compared}, against ${against}` +
      `${coverage === undefined ? '' : `, which ${formatPercent(coverage)} of the 95% intervals hold`}.`,
  );
}

function samplerCost({ environment: { sampler } }: Result): string[] {
  if (sampler === undefined) return [];
  const { cpuShare, samples, dropped, missed } = sampler;
  const isNotable = (cpuShare ?? 0) > notableShare || dropped > 0 || missed > 0;
  if (!isNotable) return [];
  const share = cpuShare === null ? 'an unknown share' : formatPercent(cpuShare);
  return [
    `The sampler used ${share} of a core: ${samples} samples, ${dropped} dropped, ${missed} readings too late.`,
  ];
}
