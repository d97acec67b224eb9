import { expect, it } from 'vitest';
import { errorAgainstAlone } from './against-alone.js';

const share = (prefill: number, decode: number, spread = 0.1) => ({
  prefill,
  decode,
  amount: prefill + decode,
  low: (prefill + decode) * (1 - spread),
  high: (prefill + decode) * (1 + spread),
});

it('takes one mean slow-down out of both phases, or one of each', () => {
  // Batching halved the cost of decode, and prefill cost what it does alone.
  const pairs = Array.from({ length: 10 }, (_, k) => {
    const [prefill, decode] = [10 + k, 30 - 2 * k];
    return { shared: share(prefill, decode), alone: prefill + 2 * decode };
  });
  const { whole, byPhase } = errorAgainstAlone(pairs)!;
  expect(byPhase!.slowdown.prefill).toBeCloseTo(1, 9);
  expect(byPhase!.slowdown.decode).toBeCloseTo(2, 9);
  expect(byPhase!.largest).toBeCloseTo(0, 9);
  expect(byPhase!.coverage).toBe(1);
  const alone = pairs.reduce((sum, pair) => sum + pair.alone, 0);
  const amount = pairs.reduce((sum, { shared }) => sum + shared.amount, 0);
  expect(whole.slowdown.prefill).toBeCloseTo(alone / amount, 12);
  expect(whole.median).toBeGreaterThan(0.03);
});

it('counts the intervals that hold what was used alone', () => {
  const pairs = [0.8, 0.95, 1.05, 1.2].map((ratio) => ({ shared: share(50, 50), alone: 100 * ratio }));
  const { whole, byPhase } = errorAgainstAlone(pairs)!;
  expect(whole.coverage).toBe(0.5);
  expect(whole.median).toBeCloseTo((1 / 0.95 - 1 + (1 - 1 / 1.2)) / 2, 12);
  expect(byPhase).toBeNull();
  expect(errorAgainstAlone([])).toBeNull();
});
