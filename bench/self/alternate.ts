import { quantile } from '#tokenwork/stats/quantile.js';
import type { Measured } from './figure.js';

/** The median and the quartiles of single measurements. */
export function summarise(values: readonly number[]): Measured {
  const [value, low, high] = [0.5, 0.25, 0.75].map((probability) => quantile(values, probability));
  if (value == null || low == null || high == null) throw new Error('nothing was measured');
  return { value, spread: [low, high] };
}

/**
 * Ratios `first ÷ second` of two measurements made alternately, after one discarded round each. The
 * order flips every round, so that neither always runs on the machine as the other left it.
 */
export async function alternatingRatios(
  rounds: number,
  first: () => Promise<number>,
  second: () => Promise<number>,
): Promise<number[]> {
  await first();
  await second();
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const a = await first();
      ratios.push(a / (await second()));
    } else {
      const b = await second();
      ratios.push((await first()) / b);
    }
  }
  return ratios;
}
