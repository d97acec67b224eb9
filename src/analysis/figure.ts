import type { AbsenceReason } from '../core/work.js';
import { median } from '../stats/quantile.js';

/** Why a figure drawn from a result is absent, beyond what the result itself says. */
export type MissingReason = AbsenceReason | 'no-successful-request' | 'no-ceiling' | 'no-tokens';

/** A number, or the reason why there is none; never NaN, and never 0 for "not measured". */
export type Figure = { value: number; reason: null } | { value: null; reason: MissingReason };

export function present(value: number): Figure {
  return { value, reason: null };
}

export function absent(reason: MissingReason): Figure {
  return { value: null, reason };
}

/** Numerator over denominator; an absent part makes it absent, and so does a denominator of 0. */
export function divide(numerator: Figure, denominator: Figure, whenZero: MissingReason): Figure {
  if (numerator.value === null) return numerator;
  if (denominator.value === null) return denominator;
  return denominator.value === 0 ? absent(whenZero) : present(numerator.value / denominator.value);
}

/** The median of the figures that are there; where none is, the first one's reason. */
export function medianOf(figures: readonly Figure[]): Figure {
  const middle = median(figures.flatMap(({ value }) => (value === null ? [] : [value])));
  if (middle !== null) return present(middle);
  return figures[0] ?? absent('no-successful-request');
}
