import type { CellSummary } from '../../analysis/cell-summary.js';
import type { Figure } from '../../analysis/figure.js';
import { type MetricRecord, metrics, type WorkMetric } from '../../core/metrics.js';
import { type DisplayUnit, nanosecondUnits } from '../../core/units.js';
import { type Column, fittingColumns, renderTable } from '../terminal/table.js';
import { formatNumber, unitFor } from '../words/format.js';

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

const notes: Record<string, string> = {
  ...Object.fromEntries(
    metrics.flatMap(({ heading, column }) => (column?.note ? [[heading, column.note]] : [])),
  ),
  floor: 'floor: the least E2E the ceilings allow',
  MFU: 'MFU and MBU: share of the ceilings reached',
};

/** What the headings of columns leave open, in a line. */
export function legend(columns: readonly Column[]): string {
  const names = columns.map(({ header: [name] }) => name);
  const perToken = names.filter((name) => name.endsWith('/token'));
  const parts = [
    ...names.flatMap((name) => notes[name] ?? []),
    ...(perToken.length === 0 ? [] : [`${perToken.join(', ')}: per billed token, prompt + completion`]),
  ];
  return `Medians. ${parts.join('; ')}.`;
}

/** All rows, or of more than `mostRows` those at both ends, with a note that says so. */
export function shownRows(
  summaries: readonly CellSummary[],
  { mostRows, rowsPerEnd }: { mostRows: number; rowsPerEnd: number },
): { rows: readonly CellSummary[]; note: string[] } {
  if (summaries.length <= mostRows) return { rows: summaries, note: [] };
  const priced = summaries
    .filter(({ perBilledToken }) => perBilledToken.cpuTime.value !== null)
    .sort((a, b) => a.perBilledToken.cpuTime.value! - b.perBilledToken.cpuTime.value!);
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
  const ofGroup = (group: string) =>
    metrics
      .filter(({ column }) => column?.unitGroup === group)
      .flatMap(({ name }) => rows.map((row) => row.metrics[name]));
  const latency = unitOf(ofGroup('request'), nanosecondUnits);
  const metricsOf = (kind: MetricRecord['kind']) =>
    metrics.flatMap(({ name, heading, scale, column, ...metric }) => {
      if (column === undefined || metric.kind !== kind) return [];
      const of: Metric = (row) => row.metrics[name];
      const unit = unitOf(column.unitGroup === undefined ? rows.map(of) : ofGroup(column.unitGroup), scale);
      return inUnit(rows, heading, unit, column.priority, of);
    });
  const columns: Column[] = [
    { header: ['cell', ''] as const, values: rows.map(name), align: 'left' as const, importance: 100 },
    number(rows, 'prompt', 'tokens', 50, (row) => row.promptTokens),
    number(rows, 'completion', 'tokens', 49, (row) => row.completionTokens),
    ...metricsOf('latency'),
    inUnit(rows, 'floor', latency, 30, (row) => row.rooflineNs),
    ...metricsOf('work'),
    number(rows, 'MFU', '%', 40, (row) => percent(row.flopsUtilisation)),
    number(rows, 'MBU', '%', 41, (row) => percent(row.bandwidthUtilisation)),
    ...metrics.flatMap(({ name, scale, column }) => {
      const perToken = column?.perBilledToken;
      if (perToken === undefined) return [];
      const of: Metric = (row) => row.perBilledToken[name as WorkMetric];
      return inUnit(rows, perToken.heading, unitOf(rows.map(of), scale), perToken.priority, of);
    }),
    // Where nothing was measured, the column is not even missed.
  ].filter(({ importance }) => importance > 0);
  if (rows.some(({ failed }) => failed > 0)) {
    const values = rows.map(({ failed }) => String(failed));
    columns.push({ header: ['failed', ''], values, align: 'right', importance: 99 });
  }
  return columns;
}

type Metric = (row: CellSummary) => Figure;

function number(
  rows: readonly CellSummary[],
  name: string,
  unit: string,
  importance: number,
  metric: Metric,
): Column {
  return inUnit(rows, name, { name: unit, per: 1 }, importance, metric);
}

/** A column in one unit, so that rows compare by eye. Where every value is absent, it goes. */
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
