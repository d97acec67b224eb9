/**
 * analysis/ draws findings from a result: pure functions of the result file, so that a result measured
 * anywhere is read anywhere.
 */

import type { WorkMetric } from '../core/metrics.js';
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
  timePerOutputToken,
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
  timeToFirstTokenNs: Figure;
  serviceTimeToFirstTokenNs: Figure;
  timePerOutputTokenNs: Figure;
  endToEndNs: Figure;
  serviceNs: Figure;
  cpuTimeNs: Figure;
  /** CPU time over prompt + completion tokens. */
  cpuTimePerBilledTokenNs: Figure;
  gpuTimeNs: Figure;
  energyJ: Figure;
  /** Energy over prompt + completion tokens. */
  energyPerBilledTokenJ: Figure;
  peakMemoryBytes: Figure;
  flops: Figure;
  bytesMoved: Figure;
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

/** A request's work by one metric, or why it is absent: the row's reason, else the metric's. */
function workOf(result: Result, request: OkRequest, metric: WorkMetric): Figure {
  const value = request.work[metric];
  if (value !== null) return present(value);
  return absent(request.absent?.[metric] ?? result.metrics[metric]?.reason ?? 'unsupported');
}

export function cpuTimePerBilledToken(result: Result, request: OkRequest): Figure {
  return perBilledToken(result, request, 'cpuTime');
}

function perBilledToken(result: Result, request: OkRequest, metric: WorkMetric): Figure {
  return divide(workOf(result, request, metric), present(billedTokens(request)), 'no-tokens');
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
  const work = (metric: WorkMetric) => (request: OkRequest) => workOf(result, request, metric);
  const flops = work('flops');
  const bytesMoved = work('bytesMoved');
  return {
    promptTokens: medianNumber(({ tokens }) => tokens.prompt),
    completionTokens: medianNumber(({ tokens }) => tokens.completion),
    queueWaitNs: medianNumber(queueWaitNs),
    timeToFirstTokenNs: medianNumber((request) => timeToFirstTokenNs(request, 'submitted')),
    serviceTimeToFirstTokenNs: medianNumber((request) => timeToFirstTokenNs(request, 'started')),
    timePerOutputTokenNs: median((request) => timePerOutputToken(request, batch)),
    endToEndNs: medianNumber((request) => endToEndNs(request, 'submitted')),
    serviceNs: medianNumber((request) => endToEndNs(request, 'started')),
    cpuTimeNs: median(work('cpuTime')),
    cpuTimePerBilledTokenNs: median((request) => cpuTimePerBilledToken(result, request)),
    gpuTimeNs: median(work('gpuTime')),
    energyJ: median(work('energy')),
    energyPerBilledTokenJ: median((request) => perBilledToken(result, request, 'energy')),
    peakMemoryBytes: median(work('peakMemory')),
    flops: median(flops),
    bytesMoved: median(bytesMoved),
    flopsUtilisation: median((request) => flopsUtilisation(request, flops(request), roof)),
    bandwidthUtilisation: median((request) => bandwidthUtilisation(request, bytesMoved(request), roof)),
    rooflineNs: median((request) => rooflineTime(request, flops(request), bytesMoved(request), roof)),
  };
}

function roofOfCell(result: Result, cell: Cell): Roof {
  const dtype = result.models.find(({ id }) => id === cell.model)?.dtype ?? '';
  return roofOf(result.hardware.ceilings, dtype);
}
