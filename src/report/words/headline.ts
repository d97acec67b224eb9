import { mainDrivers } from '../../analysis/answer/answer.js';
import { type Findings, leadingMetric } from '../../analysis/findings.js';
import type { Driver } from '../../analysis/uniformity/drivers.js';
import { formatEstimate, percent, shares } from './format.js';
import { factorName, metricName } from './names.js';

/**
 * Says in one sentence which share of a per-token bill lands on the wrong requests, with the interval and the
 * noise that let it be believed.
 *
 * @param findings as `findingsOf` gives them
 * @returns one English sentence, about the most telling metric that was measured
 * @example
 * ```js
 * console.log(headline(findingsOf(result)));
 * ```
 */
export function headline(findings: Findings): string {
  const metric = leadingMetric(findings);
  if (metric === null) return 'Whether tokens track work is not known: no work was measured.';
  const { misbilledShare, drivers } = findings.uniformity[metric]!;
  const { value, high, noiseFloor, verdict, reason } = misbilledShare;
  const name = metricName(metric);
  if (value === null) return `Whether tokens track ${name} is not known: ${reason}.`;
  if (verdict === 'not distinguishable') {
    const most = high === null ? '' : `, ${percent(high)} at most`;
    return (
      `On this workload tokens track ${name} as well as can be told: ${percent(value)} of a per-token bill ` +
      `seems to land on the wrong requests${most}, and noise alone would give ${percent(noiseFloor!)}.`
    );
  }
  if (verdict === 'negligible') {
    return (
      `On this workload tokens track ${name}: only ${formatEstimate(misbilledShare, shares)} of a per-token bill ` +
      'lands on the wrong requests, which is below the 1% worth naming.'
    );
  }
  const rest = [explanation(drivers), noiseFloor === null ? `${reason}` : noise(noiseFloor)];
  return (
    `On this workload ${formatEstimate(misbilledShare, shares)} of a per-token bill lands on the wrong requests, by ${name}; ` +
    `${rest.filter((part) => part !== '').join('; ')}.`
  );
}

function noise(floor: number): string {
  return floor < 5e-5 ? 'there is no noise in it' : `noise alone would give ${percent(floor)}`;
}

/** Drivers share out this, and not the misbilled share. */
const explained = 'how work per token varies (variance of its logarithm)';

function explanation(drivers: readonly Driver[] | null): string {
  const names = mainDrivers(drivers).map(factorName);
  if (names.length === 0) return '';
  const [verb, together] = names.length === 1 ? ['explains', ''] : ['explain', ' together'];
  return `${names.join(' and ')}${together} ${verb} most of ${explained}`;
}
