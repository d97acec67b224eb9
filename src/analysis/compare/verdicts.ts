import {
  type DirectionWord,
  findMetric,
  isDerived,
  type MetricName,
  type MetricRecord,
  metrics,
} from '../../core/metrics.js';
import type { Result } from '../../core/result.js';

/**
 * A change in the metric's own words, `faster` or `slower` for times and `less` or `more` for amounts;
 * `same` is shown by an equivalence test; `~` means that neither a change nor its absence could be shown.
 */
export type ComparisonVerdict = DirectionWord | 'same' | '~';

/** A metric by which two results are compared. */
export interface ComparedMetric extends MetricRecord {
  readonly name: MetricName;
  /** Computed and not measured, in all results: a difference needs no test. */
  derived: boolean;
}

/** Every metric of the registry, latencies first. */
export function comparedMetrics(results: readonly Result[]): ComparedMetric[] {
  return metrics.map((metric) => {
    const about = results.map((result) => result.metrics[metric.name]);
    // Older results call derived what follows from a measured time.
    const derived = isDerived(metric) && about.every((own) => own?.provenance === 'derived');
    return { ...metric, derived };
  });
}

/** Whether a verdict says that the candidate took more of the metric, or less of it. */
export function isChange(
  { metric, verdict }: { metric: string; verdict: ComparisonVerdict | null },
  direction: 'less' | 'more',
): boolean {
  return verdict !== null && verdict === findMetric(metric)?.words[direction];
}

export const significance = 0.05;
