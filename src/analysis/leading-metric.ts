import type { WorkMetric } from '../core/metrics.js';

/** What a request costs whoever runs it, nearest to money first. */
const importance: readonly WorkMetric[] = ['energy', 'gpuTime', 'cpuTime', 'flops', 'bytesMoved'];

/** The metric that a result is about: the most telling of those that are measured, asked of no more than needed. */
export function leadingOf(
  metrics: readonly WorkMetric[],
  isMeasured: (metric: WorkMetric) => boolean = () => true,
): WorkMetric | null {
  const important = importance.filter((metric) => metrics.includes(metric));
  return important.find(isMeasured) ?? metrics.find(isMeasured) ?? null;
}
