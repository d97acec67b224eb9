/** Whether intervals hold the truth of work that is attributed, where charges err by what their own intervals say. */
import { describe, expect, it } from 'vitest';
import { normal95, normalSource } from '../../stats/normal.js';
import { createRandom } from '../../stats/random.js';
import { compareResults } from '../compare/compare.js';
import { findingsOf } from '../findings.js';
import { type SimulatedCell, simulateResult, trueMisbilledShare } from '../simulated-result.test-support.js';
import { covering, grid, indistinct, shareOf } from './coverage.test-support.js';

/** Standard error of a cell's charge, by how its errors go with those of other cells. */
const relative = 0.1;
const errors = {
  apart: (_cell: SimulatedCell, normal: () => number) => normal(),
  /** The price of decode is out, and so that of prefill the other way. */
  together: ({ promptTokens, completionTokens }: SimulatedCell, _: () => number, shared: number) =>
    shared * (completionTokens / (promptTokens + completionTokens) > 0.25 ? 1 : -1),
};
type Pattern = keyof typeof errors;

/** A run whose charges are out by cell, and hardly differ within one. */
function attributedRun(cells: readonly SimulatedCell[], pattern: Pattern, seed: number, repetitions = 5) {
  const result = simulateResult(cells, { seed, repetitions, noise: 0.005 });
  const normal = normalSource(createRandom(seed + 50_000));
  const shared = normal();
  const out = cells.map((cell) => Math.exp(relative * errors[pattern](cell, normal, shared)));
  for (const [index, request] of result.requests.entries()) {
    const charge = request.work!.cpuTime! * out[index % cells.length]!;
    const reach = normal95 * relative * charge;
    Object.assign(request.work!, { cpuTime: charge });
    Object.assign(request, { intervals: { cpuTime: [charge - reach, charge + reach] } });
  }
  return result;
}

const runs = 60;
const found = (cells: readonly SimulatedCell[], pattern: Pattern) =>
  Array.from({ length: runs }, (_, draw) => {
    const result = attributedRun(cells, pattern, draw + 1);
    return findingsOf(result, { resamples: 200, metrics: ['cpuTime'] }).uniformity.cpuTime!.misbilledShare;
  });

describe.each(['apart', 'together'] as const)('cells that are charged wrongly %s', (pattern) => {
  it('are not distinguishable from fair ones where tokens track work', () => {
    const shares = found(
      grid(() => 1),
      pattern,
    );
    expect(shareOf(shares, indistinct)).toBeGreaterThanOrEqual(0.9);
    expect(shareOf(shares, covering(0))).toBeGreaterThanOrEqual(0.9);
  });

  it.each([
    ['any', grid((index) => (index % 2 === 0 ? 1.2 : 0.8))],
    [
      'dear output',
      grid(() => 1).map((cell) => ({
        ...cell,
        rate: 1 + (3 * cell.completionTokens) / (cell.promptTokens + cell.completionTokens),
      })),
    ],
  ])('have an interval that holds the misbilled share of %s in 90% of runs', (_name, cells) => {
    const shares = found(cells, pattern);
    expect(shareOf(shares, covering(trueMisbilledShare(cells)))).toBeGreaterThanOrEqual(0.9);
  });

  it('show no change between runs of equal work in 95% of cells and of means, however often repeated', () => {
    const cells = grid(() => 1);
    let [changed, judged, means] = [0, 0, 0];
    for (let draw = 0; draw < 8; draw++) {
      const [before, after] = [2 * draw, 2 * draw + 1].map((seed) =>
        attributedRun(cells, pattern, seed + 1, 20),
      );
      const [comparison] = compareResults(before!, [after!]);
      const own = comparison!.cells.filter(({ metric }) => metric === 'cpuTime');
      judged += own.length;
      changed += own.filter(({ low, high }) => low! > 1 || high! < 1).length;
      const { low, high } = comparison!.geomean.cpuTime!;
      if (low! > 1 || high! < 1) means++;
      expect(comparison!.warnings.map(({ code }) => code)).toContain('attribution-compared');
    }
    expect(changed / judged).toBeLessThanOrEqual(0.07);
    expect(means).toBeLessThanOrEqual(1);
  });
});
