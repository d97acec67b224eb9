import { z } from 'zod';

/**
 * A polynomial in batch b, new tokens n and past tokens p, as a sum of `coefficient · b^i · n^j · p^k`.
 * What one forward pass of a decoder costs is such a polynomial, so it is derived once per graph and
 * evaluated per step.
 */
export const polynomialSchema = z.array(
  z.strictObject({
    coefficient: z.number(),
    batch: z.int().min(0),
    newTokens: z.int().min(0),
    pastTokens: z.int().min(0),
  }),
);
export type Polynomial = z.infer<typeof polynomialSchema>;

/** One forward pass: `batch` rows, each with `newTokens` positions after `pastTokens` cached ones. */
export interface StepShape {
  batch: number;
  newTokens: number;
  pastTokens: number;
}

export function evaluate(polynomial: Polynomial, at: StepShape): number {
  let sum = 0;
  for (const term of polynomial) {
    sum +=
      term.coefficient *
      at.batch ** term.batch *
      at.newTokens ** term.newTokens *
      at.pastTokens ** term.pastTokens;
  }
  return sum;
}
