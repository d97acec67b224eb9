import type { CellSummary } from '../../analysis/cell-summary.js';
import type { Figure } from '../../analysis/figure.js';
import { type MetricRecord, metrics, type WorkMetric } from '../../core/metrics.js';
import { type DisplayUnit, nanosecondUnits } from '../../core/units.js';
import { cellName } from '../words/names.js';
import { type Column, columnsOf, type ShownColumn, type Table, unitOf } from './table.js';

const notes: Record<string, string> = {
  ...Object.fromEntries(
    metrics.flatMap(({ heading, column }) => (column?.note ? [[heading, column.note]] : [])),
  ),
  floor: 'floor: the least E2E the ceilings allow',
  MFU: 'MFU and MBU: share of the ceilings reached',
};

/** A line that says what the headings of columns leave open. */
export function legend(columns: readonly ShownColumn[]): string {
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

/** Medians of every cell: a column for each metric that was measured and that the registry gives one. */
export function cellTable(rows: readonly CellSummary[]): Table {
  const table = columnsOf(rows);
  const models = [...new Set(rows.map(({ cell }) => cell.model))];
  const quantity = (
    name: string,
    figure: (row: CellSummary) => Figure,
    options: { unit: string; scale: readonly DisplayUnit[] | DisplayUnit; priority: number },
  ): Column[] => {
    const value = (row: CellSummary) => figure(row).value;
    // Where nothing was measured, the column is not even missed.
    return rows.every((row) => value(row) === null) ? [] : [table.quantity(name, value, options)];
  };
  const ofGroup = (group: string) =>
    metrics
      .filter(({ column }) => column?.unitGroup === group)
      .flatMap(({ name }) => rows.map((row) => row.metrics[name].value));
  const metricsOf = (kind: MetricRecord['kind']) =>
    metrics.flatMap(({ name, heading, unit, scale, column, ...metric }) => {
      if (column === undefined || metric.kind !== kind) return [];
      const shown = column.unitGroup === undefined ? scale : unitOf(ofGroup(column.unitGroup), scale);
      return quantity(heading, (row) => row.metrics[name], { unit, scale: shown, priority: column.priority });
    });
  const percent = { unit: '', scale: { name: '%', per: 0.01 } };
  const tokens = { unit: 'tokens', scale: { name: 'tokens', per: 1 } };
  const failed = table.number('failed', (row) => row.failed, { priority: 99 });
  const columns = [
    table.text('cell', ({ cell }) => cellName(cell.id, models), { priority: 100 }),
    ...quantity('prompt', (row) => row.promptTokens, { ...tokens, priority: 50 }),
    ...quantity('completion', (row) => row.completionTokens, { ...tokens, priority: 49 }),
    ...metricsOf('latency'),
    ...quantity('floor', (row) => row.rooflineNs, {
      unit: 'ns',
      scale: unitOf(ofGroup('request'), nanosecondUnits),
      priority: 30,
    }),
    ...metricsOf('work'),
    ...quantity('MFU', (row) => row.flopsUtilisation, { ...percent, priority: 40 }),
    ...quantity('MBU', (row) => row.bandwidthUtilisation, { ...percent, priority: 41 }),
    ...metrics.flatMap(({ name, unit, scale, column }) => {
      const perToken = column?.perBilledToken;
      if (perToken === undefined) return [];
      const figure = (row: CellSummary) => row.perBilledToken[name as WorkMetric];
      return quantity(perToken.heading, figure, { unit, scale, priority: perToken.priority });
    }),
    ...(rows.some((row) => row.failed > 0) ? [failed] : []),
  ];
  return { name: 'cells', title: 'Medians of every cell', columns };
}
