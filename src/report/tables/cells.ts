import type { CellSummary } from '../../analysis/cell-summary.js';
import type { Figure } from '../../analysis/figure.js';
import { type Column, fittingColumns, renderTable } from '../terminal/table.js';
import {
  byteUnits,
  type DisplayUnit,
  flopUnits,
  formatNumber,
  jouleUnits,
  nanosecondUnits,
  unitFor,
} from '../words/format.js';

/** More cells than this are shown by their cheapest and dearest only. */
const mostRows = 40;
const rowsPerEnd = 8;

/**
 * The table of a run's cells, with notes on it: what its columns mean, and which columns and rows there
 * was no room for.
 */
export function renderCellTable(
  summaries: readonly CellSummary[],
  width: number,
  style: (text: string) => string,
): { table: string; notes: string[] } {
  const { rows, note } = shownRows(summaries, { mostRows, rowsPerEnd });
  const columns = cellColumns(rows);
  const shown = fittingColumns(columns, width);
  const missing = columns.filter((column) => !shown.includes(column)).map(({ header }) => header[0]);
  const leftOut = missing.length === 0 ? [] : [`No room at this width for ${missing.join(', ')}.`];
  return { table: renderTable(shown, width, style), notes: [...note, legend(shown), ...leftOut] };
}

export const columnMeanings: Record<string, string> = {
  TTFT: 'TTFT and E2E from submission',
  TPOT: 'TPOT = (E2E − TTFT)/(n − 1)',
  floor: 'floor: the least E2E the ceilings allow',
  MFU: 'MFU and MBU: share of the ceilings reached',
  'CPU/token': 'CPU/token: per billed token, prompt + completion',
  energy: 'energy: resting power included',
  'J/token': 'J/token: per billed token',
};

function legend(columns: readonly Column[]): string {
  const parts = columns.flatMap(({ header: [name] }) => columnMeanings[name] ?? []);
  return `Medians. ${parts.join('; ')}.`;
}

/** All rows, or of more than `mostRows` those at both ends, with a note that says so. */
export function shownRows(
  summaries: readonly CellSummary[],
  { mostRows, rowsPerEnd }: { mostRows: number; rowsPerEnd: number },
): { rows: readonly CellSummary[]; note: string[] } {
  if (summaries.length <= mostRows) return { rows: summaries, note: [] };
  const priced = summaries
    .filter(({ cpuTimePerBilledTokenNs }) => cpuTimePerBilledTokenNs.value !== null)
    .sort((a, b) => a.cpuTimePerBilledTokenNs.value! - b.cpuTimePerBilledTokenNs.value!);
  const ranked = priced.length > 2 * rowsPerEnd ? priced : summaries;
  const rows = [...ranked.slice(0, rowsPerEnd), ...ranked.slice(-rowsPerEnd)];
  const which = ranked === priced ? 'cheapest and dearest by CPU time per billed token' : 'first and last';
  return {
    rows,
    note: [`The ${rowsPerEnd} ${which} of ${summaries.length} cells; the result file holds them all.`],
  };
}

export function cellColumns(rows: readonly CellSummary[]): Column[] {
  const models = new Set(rows.map(({ cell }) => cell.model));
  const name = ({ cell }: CellSummary) =>
    models.size === 1 && cell.id.startsWith(`${cell.model}/`)
      ? cell.id.slice(cell.model.length + 1)
      : cell.id;
  // One unit for the latencies, which are read against each other.
  const latency = unitOf(
    rows.flatMap((row) => [row.timeToFirstTokenNs, row.endToEndNs]),
    nanosecondUnits,
  );
  const columns: Column[] = [
    { header: ['cell', ''], values: rows.map(name), align: 'left', importance: 100 },
    number(rows, 'prompt', 'tokens', 50, (row) => row.promptTokens),
    number(rows, 'completion', 'tokens', 49, (row) => row.completionTokens),
    inUnit(rows, 'TTFT', latency, 90, (row) => row.timeToFirstTokenNs),
    scaled(rows, 'TPOT', nanosecondUnits, 80, (row) => row.timePerOutputTokenNs),
    inUnit(rows, 'E2E', latency, 85, (row) => row.endToEndNs),
    inUnit(rows, 'floor', latency, 30, (row) => row.rooflineNs),
    scaled(rows, 'CPU', nanosecondUnits, 70, (row) => row.cpuTimeNs),
    scaled(rows, 'peak mem', byteUnits, 60, (row) => row.peakMemoryBytes),
    scaled(rows, 'work', flopUnits, 55, (row) => row.flops),
    number(rows, 'MFU', '%', 40, (row) => percent(row.flopsUtilisation)),
    number(rows, 'MBU', '%', 41, (row) => percent(row.bandwidthUtilisation)),
    scaled(rows, 'CPU/token', nanosecondUnits, 95, (row) => row.cpuTimePerBilledTokenNs),
    // Few machines have these counters: where nothing was measured, the column is not even missed.
    ...whereMeasured(
      rows,
      (row) => row.gpuTimeNs,
      (metric) => scaled(rows, 'GPU', nanosecondUnits, 71, metric),
    ),
    ...whereMeasured(
      rows,
      (row) => row.energyJ,
      (metric) => scaled(rows, 'energy', jouleUnits, 88, metric),
    ),
    ...whereMeasured(
      rows,
      (row) => row.energyPerBilledTokenJ,
      (metric) => scaled(rows, 'J/token', jouleUnits, 94, metric),
    ),
  ];
  if (rows.some(({ failed }) => failed > 0)) {
    const values = rows.map(({ failed }) => String(failed));
    columns.push({ header: ['failed', ''], values, align: 'right', importance: 99 });
  }
  return columns;
}

type Metric = (row: CellSummary) => Figure;

function whereMeasured(
  rows: readonly CellSummary[],
  metric: Metric,
  column: (metric: Metric) => Column,
): Column[] {
  return rows.some((row) => metric(row).value !== null) ? [column(metric)] : [];
}

function number(
  rows: readonly CellSummary[],
  name: string,
  unit: string,
  importance: number,
  metric: Metric,
): Column {
  return inUnit(rows, name, { name: unit, per: 1 }, importance, metric);
}

function scaled(
  rows: readonly CellSummary[],
  name: string,
  units: readonly DisplayUnit[],
  importance: number,
  metric: Metric,
): Column {
  return inUnit(rows, name, unitOf(rows.map(metric), units), importance, metric);
}

/** A column in one unit, so that rows compare by eye. Where every value is absent, it is the first to go. */
function inUnit(
  rows: readonly CellSummary[],
  name: string,
  unit: DisplayUnit,
  importance: number,
  metric: Metric,
): Column {
  const values = rows.map((row) => metric(row).value);
  const isAbsent = values.every((value) => value === null);
  return {
    header: [name, isAbsent ? '' : unit.name],
    values: values.map((value) => formatNumber(value === null ? null : value / unit.per)),
    align: 'right',
    importance: isAbsent ? 0 : importance,
  };
}

/** The unit that suits the smallest value, or a larger one where the largest would have five digits. */
function unitOf(figures: readonly Figure[], units: readonly DisplayUnit[]): DisplayUnit {
  const positive = figures.flatMap(({ value }) => (value !== null && value > 0 ? [value] : []));
  if (positive.length === 0) return units[0]!;
  const largest = Math.max(...positive);
  const suited = units.indexOf(unitFor(Math.min(...positive), units));
  return units.slice(suited).find(({ per }) => largest < 10_000 * per) ?? units.at(-1)!;
}

function percent(share: Figure): Figure {
  return share.value === null ? share : { value: share.value * 100, reason: null };
}
