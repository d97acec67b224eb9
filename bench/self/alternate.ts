import { quantile } from '#tokenwork/stats/quantile.js';
import type { Measured } from './figure.js';

/** The median and the quartiles of single measurements. */
export function summarise(values: readonly number[]): Measured {
  const sorted = [...values].sort((a, b) => a - b);
  return { value: quantile(sorted, 0.5), spread: [quantile(sorted, 0.25), quantile(sorted, 0.75)] };
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
