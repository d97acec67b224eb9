import type { Result } from '../core/result.js';

export type Design = NonNullable<Result['run']['design']>;

/** A figure drawn from a result, beside what noise alone would give. */
export interface Statistic {
  /** Corrected for the bias that noise gives it; `null` with a `reason` where there is none. */
  value: number | null;
  /** 95% interval. */
  low: number | null;
  high: number | null;
  /** Mean under the hypothesis that tokens track work perfectly, plus the noise between repetitions. */
  noiseFloor: number | null;
  /**
   * `not distinguishable`: within the central 95% of that hypothesis, or less uneven. `negligible`: beyond it,
   * but with a misbilled share below 1%, which goes for every statistic of the metric.
   */
  verdict: Verdict | null;
  /** Why a field is null. */
  reason?: string;
  /** Why the interval may hold the truth more seldom than it says. */
  caution?: string;
}
export type Verdict = 'non-uniform' | 'negligible' | 'not distinguishable';

/** A statistic that is not known, and why. */
export function unknown(reason: string): Statistic {
  return { value: null, low: null, high: null, noiseFloor: null, verdict: null, reason };
}
