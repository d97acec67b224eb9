/** A glance at what `coverage.slow.test.ts` holds verdicts and intervals to. */
import { expect, it } from 'vitest';
import { trueMisbilledShare } from '../simulated-result.test-support.js';
import { covering, grid, indistinct, misbilledShares } from './coverage.test-support.js';

it('tokens that track work perfectly are not distinguishable from it in 9 of 10 runs', () => {
  const fair = grid(() => 1);
  const found = misbilledShares(10, fair, { repetitions: 5, noise: 0.05 });
  expect(found.filter(indistinct).length).toBeGreaterThanOrEqual(9);
  expect(found.filter(covering(0)).length).toBeGreaterThanOrEqual(9);
});

it('a planted misbilled share of 10% is found in each of 20 runs, and covered in 17 (P > 0.99 at 95%)', () => {
  const cells = grid((index) => (index % 2 === 0 ? 1.2 : 0.8));
  const found = misbilledShares(20, cells, { repetitions: 5, noise: 0.05 });
  expect(found.filter(indistinct)).toEqual([]);
  expect(found.filter(covering(trueMisbilledShare(cells))).length).toBeGreaterThanOrEqual(17);
});
