/**
 * analysis/ draws findings from a result: pure functions of the result file, so that a result measured
 * anywhere is read anywhere.
 */

import {
  type MetricName,
  type MetricRecord,
  metricOf,
  metrics,
  type WorkMetric,
  workMetricNames,
} from '../core/metrics.js';
import { type Cell, isOk, type OkRequest, type Result } from '../core/result.js';
import { absent, divide, type Figure, medianOf, present } from './figure.js';
import {
  bandwidthUtilisation,
  billedTokens,
  endToEndNs,
  flopsUtilisation,
  queueWaitNs,
  type Roof,
  rooflineTime,
  roofOf,
  timeToFirstTokenNs,
} from './request-metrics.js';

/**
 * The median of each metric over a cell's successful requests. Ratios are formed per request, then their
 * median is taken. `service…`: from the start of work instead of from submission, so without queueing.
 */
export interface CellSummary {
  cell: Cell;
  succeeded: number;
  failed: number;
  promptTokens: Figure;
  completionTokens: Figure;
  queueWaitNs: Figure;
  serviceTimeToFirstTokenNs: Figure;
  serviceNs: Figure;
  /** In base units; latencies from submission. */
  metrics: Record<MetricName, Figure>;
  /** Work over prompt + completion tokens. */
  perBilledToken: Record<WorkMetric, Figure>;
  flopsUtilisation: Figure;
  bandwidthUtilisation: Figure;
  rooflineNs: Figure;
}

/** One summary per cell, in the result's order; cells without a successful request among them. */
export function summarizeCells(result: Result): CellSummary[] {
  const byCell = new Map(result.cells.map(({ id }) => [id, { ok: [] as OkRequest[], failed: 0 }]));
  for (const request of result.requests) {
    const rows = byCell.get(request.cell);
    if (rows === undefined) continue;
    if (isOk(request)) rows.ok.push(request);
    else rows.failed++;
  }
  return result.cells.map((cell) => {
    const { ok, failed } = byCell.get(cell.id)!;
    return { cell, succeeded: ok.length, failed, ...summarize(result, cell, ok) };
  });
}

/** A request's figure by one metric, or why it is absent: the row's reason, else the metric's. */
function figureOf(result: Result, request: OkRequest, metric: MetricRecord, batch: number): Figure {
  const { name, kind } = metric;
  const value = metric.ofRequest(request, batch);
  if (value !== null) return present(value);
  if (kind === 'latency') return absent('too-short');
  return absent(request.absent?.[name] ?? result.metrics[name]?.reason ?? 'unsupported');
}

/** A request's work over its billed tokens. */
export function perBilledToken(result: Result, request: OkRequest, metric: WorkMetric): Figure {
  const work = figureOf(result, request, metricOf(metric), 1);
  return divide(work, present(billedTokens(request)), 'no-tokens');
}

function summarize(
  result: Result,
  cell: Cell,
  requests: readonly OkRequest[],
): Omit<CellSummary, 'cell' | 'succeeded' | 'failed'> {
  const batch = typeof cell.factors.batch === 'number' ? cell.factors.batch : 1;
  const roof = roofOfCell(result, cell);
  const median = (metric: (request: OkRequest) => Figure) => medianOf(requests.map(metric));
  const medianNumber = (metric: (request: OkRequest) => number) =>
    median((request) => present(metric(request)));
  const of = (metric: MetricRecord) => (request: OkRequest) => figureOf(result, request, metric, batch);
  const [flops, memoryTraffic] = [of(metricOf('flops')), of(metricOf('memoryTraffic'))];
  return {
    promptTokens: medianNumber(({ tokens }) => tokens.prompt),
    completionTokens: medianNumber(({ tokens }) => tokens.completion),
    queueWaitNs: medianNumber(queueWaitNs),
    serviceTimeToFirstTokenNs: medianNumber((request) => timeToFirstTokenNs(request, 'started')),
    serviceNs: medianNumber((request) => endToEndNs(request, 'started')),
    metrics: Object.fromEntries(
      metrics.map((metric) => [metric.name, median(of(metric))]),
    ) as CellSummary['metrics'],
    perBilledToken: Object.fromEntries(
      workMetricNames().map((name) => [name, median((request) => perBilledToken(result, request, name))]),
    ) as CellSummary['perBilledToken'],
    flopsUtilisation: median((request) => flopsUtilisation(request, flops(request), roof)),
    bandwidthUtilisation: median((request) => bandwidthUtilisation(request, memoryTraffic(request), roof)),
    rooflineNs: median((request) => rooflineTime(request, flops(request), memoryTraffic(request), roof)),
  };
}

function roofOfCell(result: Result, cell: Cell): Roof {
  const dtype = result.models.find(({ id }) => id === cell.model)?.dtype ?? '';
  return roofOf(result.hardware.ceilings, dtype);
}
