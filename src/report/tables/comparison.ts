import type { ComparedCell } from '../../analysis/compare/cells.js';
import type { Comparison } from '../../analysis/compare/compare.js';
import type { ComparisonVerdict } from '../../analysis/compare/verdicts.js';
import { findMetric, isDerived, metrics } from '../../core/metrics.js';
import { dash, formatNumber, formatPercent, formatWithUnit, ratios } from '../words/format.js';
import { metricName } from '../words/names.js';
import { type Column, columnsOf, type Table } from './table.js';

/** Metrics that are computed change only with the workload or the model; they are summed up. */
export function perCellMetrics({ geomean }: Comparison): string[] {
  return metrics
    .filter((metric) => !isDerived(metric) && geomean[metric.name] !== undefined)
    .map(({ name }) => name);
}

/** Settings in which two runs differ; no rows where there are none. */
export function configurationTable({ configuration }: Comparison): Table {
  const table = columnsOf(configuration);
  return {
    name: 'settings',
    title: 'Settings that differ',
    columns: [
      table.text('differs in', ({ what }) => what),
      table.text('baseline', ({ baseline }) => abridged(baseline)),
      table.text('candidate', ({ candidate }) => abridged(candidate)),
    ],
  };
}

/** Twelve digits tell digests apart, and leave room for the column beside them. */
function abridged(setting: string): string {
  return /^[0-9a-f]{40,}/.test(setting) ? `${setting.slice(0, 12)}…` : setting;
}

/** Every metric over all cells at once. */
export function meansTable({ geomean }: Comparison): Table {
  const table = columnsOf(Object.entries(geomean).map(([metric, mean]) => ({ metric, ...mean })));
  return {
    name: 'means',
    title: 'Candidate over baseline in every metric, all cells together',
    columns: [
      table.text('all cells', ({ metric }) => metricName(metric), { priority: 100 }),
      table.number(['ratio', 'geometric mean'], ({ ratio }) => ratio, {
        id: 'ratio',
        show: times,
        priority: 90,
      }),
      table.ends('95% interval', (mean) => mean, { id: 'ratio', style: ratios }),
      table.text('verdict', ({ verdict }) => verdict ?? dash, { priority: 100 }),
    ],
  };
}

/** A row per cell with each metric's ratio and verdict. */
export function cellRatiosTable(comparison: Comparison): Table {
  const { cells } = comparison;
  const compared = perCellMetrics(comparison);
  const rows = new Map(cells.map((row) => [`${row.cell} ${row.metric}`, row]));
  const table = columnsOf([...new Set(cells.map(({ cell }) => cell))]);
  return {
    name: 'cells',
    title: 'Candidate over baseline, cell by cell',
    columns: [
      table.text('cell', (id) => id),
      ...compared.map((metric, index): Column => {
        const of = (id: string) => rows.get(`${id} ${metric}`);
        return table.number([metricName(metric), 'ratio'], (id) => of(id)?.ratio ?? null, {
          show: (ratio, id) => said(ratio, of(id)?.verdict ?? null),
          priority: compared.length - index,
        });
      }),
    ],
  };
}

/** One metric cell by cell: medians of both sides, their ratio and how sure it is. */
export function metricTable(rows: readonly ComparedCell[], metric: string): Table {
  const table = columnsOf(rows);
  const unit = findMetric(metric)?.unit ?? '';
  const show = (value: number) => formatWithUnit(value, unit);
  return {
    name: `cells-${metric}`,
    title: `${metricName(metric)} of baseline and candidate, cell by cell`,
    columns: [
      table.text('cell', ({ cell }) => cell),
      table.number('baseline', ({ baseline }) => baseline, { unit, show }),
      table.number('candidate', ({ candidate }) => candidate, { unit, show }),
      table.text('repetitions', ({ repetitions }) => repetitions.join(' and '), { align: 'right' }),
      table.number('ratio', ({ ratio }) => ratio, { show: times }),
      table.ends('95% interval', (row) => row, { id: 'ratio', style: ratios }),
      table.number('p, adjusted', ({ qValue }) => qValue),
      table.text('verdict', ({ verdict }) => verdict ?? dash),
    ],
  };
}

/** Decode is bound by reading, prefill by multiplying: 1.8× the speed on a machine with 2.0× the bandwidth. */
export function ceilingRatiosTable({ ceilings, geomean }: Comparison): Table {
  const { memoryBandwidth, gemm } = ceilings;
  const table = columnsOf([
    ...(memoryBandwidth === null ? [] : [{ name: 'read bandwidth', ratio: memoryBandwidth, by: 'tpot' }]),
    ...Object.entries(gemm).map(([dtype, ratio]) => ({ name: `${dtype} GEMM rate`, ratio, by: 'ttft' })),
  ]);
  const speed = ({ by }: { by: string }) => (geomean[by] === undefined ? null : 1 / geomean[by].ratio);
  return {
    name: 'ceilings',
    title: 'What the machines can do, beside what was measured',
    columns: [
      table.text('ceiling', ({ name }) => name),
      table.number(['ratio', 'of machines'], ({ ratio }) => ratio, { show: times }),
      table.number(['speed', 'measured'], speed, {
        show: (ratio, { by }) => `${times(ratio)} by ${metricName(by)}`,
      }),
    ],
  };
}

/** Whether what is dear on one side is dear on the other, by every kind of work. */
export function shapeTable({ shape }: Comparison): Table {
  const table = columnsOf(
    Object.entries(shape).flatMap(([metric, compared]) =>
      compared === undefined ? [] : [{ metric, ...compared }],
    ),
  );
  return {
    name: 'price-lists',
    title: 'Whether a price list carries over',
    columns: [
      table.text('work per token', ({ metric }) => metricName(metric)),
      table.number(['rank correlation', 'over cells'], ({ rankCorrelation }) => rankCorrelation),
      table.number(
        ['misbilled by', 'baseline tariff'],
        ({ misbilledByBaselineTariff }) => misbilledByBaselineTariff.inputOutput ?? null,
        { show: formatPercent },
      ),
    ],
  };
}

function times(ratio: number): string {
  return `${formatNumber(ratio)}×`;
}

/** `0.51× faster`. */
export function said(ratio: number, verdict: ComparisonVerdict | null): string {
  return verdict === null ? times(ratio) : `${times(ratio)} ${verdict}`;
}
