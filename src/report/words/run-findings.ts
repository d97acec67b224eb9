import type { CellSummary } from '../../analysis/cell-summary.js';
import { repetitionNoise, type SpreadOrReason, spreadByModel } from '../../analysis/spread.js';
import { type Percentiles, tailLatencies } from '../../analysis/tail-latency.js';
import { isOk, type Result } from '../../core/result.js';
import { cellInWords } from './cells.js';
import { formatCount, formatDuration, formatNumber, formatPercent } from './format.js';

/** Findings of the run, as sentences. */
export function findings(result: Result, summaries: readonly CellSummary[]): string[] {
  const spreads = spreadByModel(summaries);
  return [
    ...spreads.map((spread) => describeSpread(spread, result, spreads.length > 1)),
    ...noise(result),
    ...tails(result),
  ];
}

const noSpread = {
  'single-cell': 'only one cell was measured, so there is nothing to compare it with',
  'zero-cost': 'the cheapest cell took no CPU time that could be measured',
  'not-measured': 'no CPU time was measured',
};

/** `A billed token cost between 4.10 and 38.0 CPU-ms depending on the request: 9.27× apart (cheapest …)`. */
function describeSpread(spread: SpreadOrReason, { cells }: Result, nameModel: boolean): string {
  const of = nameModel ? ` of ${spread.model}` : '';
  if (spread.ratio === null) {
    return `How far the cost of a billed token${of} varies is not known: ${noSpread[spread.reason]}.`;
  }
  const { cheapest, dearest, ratio } = spread;
  const name = (cell: string) => cellInWords(cells.find(({ id }) => id === cell)!);
  return (
    `A billed token${of} cost between ${milliseconds(cheapest.ns)} and ${milliseconds(dearest.ns)} CPU-ms ` +
    `depending on the request: ${formatNumber(ratio)}× apart ` +
    `(cheapest: ${name(cheapest.cell)}; dearest: ${name(dearest.cell)}).`
  );
}

function milliseconds(ns: number): string {
  return formatNumber(ns / 1e6);
}

function noise(result: Result): string[] {
  const { value } = repetitionNoise(result);
  if (value === null) return [];
  return [
    `Repetitions of the same request differed by σ = ${formatPercent(value)} in CPU time (from the median absolute deviation).`,
  ];
}

function tails(result: Result): string[] {
  return tailLatencies(result).map(
    ({ model, requests, timeToFirstTokenNs, endToEndNs }) =>
      `Over ${formatCount(requests, 'request')} of ${model}: ` +
      `TTFT ${percentiles(timeToFirstTokenNs)}; E2E ${percentiles(endToEndNs)}.`,
  );
}

function percentiles({ median, p90, p95, p99 }: Percentiles): string {
  const tail = Object.entries({ p90, p95, p99 }).flatMap(([name, value]) =>
    value === null ? [] : [`${name} ${formatDuration(value)}`],
  );
  return [`median ${formatDuration(median)}`, ...tail].join(', ');
}

/** Says of a run that was cut short how far it came; nothing of others. */
export function describeIncomplete({ run, requests }: Result): string[] {
  if (run.complete) return [];
  return [`The run was cut short: ${requests.length} of ${run.plannedRequests} planned requests were run.`];
}

/** `4 of 57 requests failed: 3 × context-exceeded (…), 1 × worker-died (…)`; nothing where none did. */
export function describeFailures(result: Result): string[] {
  const byCode = new Map<string, { count: number; message: string }>();
  for (const request of result.requests) {
    if (isOk(request)) continue;
    const { code, message } = request.outcome;
    const known = byCode.get(code);
    if (known === undefined) byCode.set(code, { count: 1, message });
    else known.count++;
  }
  if (byCode.size === 0) return [];
  const failed = [...byCode.values()].reduce((sum, { count }) => sum + count, 0);
  const kinds = [...byCode]
    .sort(([, a], [, b]) => b.count - a.count)
    .map(([code, { count, message }]) => `${count} × ${code} (${message.replace(/\.$/, '')})`);
  return [`${failed} of ${formatCount(result.requests.length, 'request')} failed: ${kinds.join(', ')}.`];
}
