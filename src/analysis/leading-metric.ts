import type { WorkMetric } from '../core/work.js';

/** What a request costs whoever runs it, nearest to money first. */
const importance: readonly WorkMetric[] = ['energy', 'gpuTime', 'cpuTime', 'flops', 'bytesMoved'];

/** The metric that a result is about: the most telling of those measured. */
export function leadingOf(measured: readonly WorkMetric[]): WorkMetric | null {
  return importance.find((metric) => measured.includes(metric)) ?? measured[0] ?? null;
}
