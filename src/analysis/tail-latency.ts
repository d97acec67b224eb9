import { isOk, type Result } from '../core/result.js';
import { median, percentile } from '../stats/quantile.js';
import { endToEndNs, timeToFirstTokenNs } from './request-metrics.js';

/** Latencies over all successful requests of a model; percentiles the sample is too small for are null. */
export interface TailLatency {
  model: string;
  requests: number;
  timeToFirstTokenNs: Percentiles;
  endToEndNs: Percentiles;
}

export interface Percentiles {
  median: number;
  p90: number | null;
  p95: number | null;
  p99: number | null;
}

/** One entry per model with enough successful requests for a p90; both latencies from submission. */
export function tailLatencies(result: Result): TailLatency[] {
  return result.models.flatMap(({ id: model }) => {
    const cells = new Set(result.cells.filter((cell) => cell.model === model).map(({ id }) => id));
    const requests = result.requests.filter(isOk).filter(({ cell }) => cells.has(cell));
    const firstToken = percentilesOf(requests.map((request) => timeToFirstTokenNs(request, 'submitted')));
    const endToEnd = percentilesOf(requests.map((request) => endToEndNs(request, 'submitted')));
    if (firstToken === null || endToEnd === null) return [];
    return [{ model, requests: requests.length, timeToFirstTokenNs: firstToken, endToEndNs: endToEnd }];
  });
}

function percentilesOf(values: readonly number[]): Percentiles | null {
  const p90 = percentile(values, 90);
  if (p90 === null) return null;
  return { median: median(values)!, p90, p95: percentile(values, 95), p99: percentile(values, 99) };
}
