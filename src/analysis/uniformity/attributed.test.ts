import { describe, expect, it } from 'vitest';
import { normal95 } from '../../stats/normal.js';
import { findingsOf } from '../findings.js';
import { tableOf } from '../requests/table-builder.js';
import { type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { grid } from './coverage.test-support.js';

/** A run whose repetitions hardly differ, with intervals of `relative` standard errors. */
function runWith(cells: readonly SimulatedCell[], relative: number) {
  const result = simulateResult(cells, { seed: 1, repetitions: 5, noise: 0.001 });
  for (const request of result.requests) {
    const charge = request.work!.cpuTime!;
    const reach = normal95 * relative * charge;
    Object.assign(request, { intervals: { cpuTime: [charge - reach, charge + reach] } });
  }
  return result;
}

const shareOf = (result: Parameters<typeof findingsOf>[0]) =>
  findingsOf(result, { resamples: 100, metrics: ['cpuTime'] }).uniformity.cpuTime!.misbilledShare;

const uneven = grid((index) => (index % 2 === 0 ? 1.05 : 0.95));

describe('work that was attributed', () => {
  it('has its standard error in the table as a share of the charge, from either half of the interval', () => {
    const errors = tableOf(runWith(uneven, 0.08)).attributionErrors.cpuTime!;
    expect(errors).toHaveLength(100);
    for (const error of errors) expect(error).toBeCloseTo(0.08, 12);
  });

  it('is told apart from a fair bill by what its error leaves, and not by repetitions that agree', () => {
    expect(shareOf(runWith(uneven, 0.001)).verdict).toBe('non-uniform');
    const { verdict, noiseFloor, high, value } = shareOf(runWith(uneven, 0.15));
    expect(verdict).toBe('not distinguishable');
    expect(noiseFloor).toBeGreaterThan(0.02);
    expect(high! - value!).toBeGreaterThan(0.02);
  });
});
