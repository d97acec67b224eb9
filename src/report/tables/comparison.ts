import type { ComparedCell } from '../../analysis/compare/cells.js';
import type { Comparison } from '../../analysis/compare/compare.js';
import { isDerived, metrics } from '../../core/metrics.js';
import type { Column } from '../terminal/table.js';
import { dash, formatNumber, formatPercent } from '../words/format.js';
import { metricName } from '../words/metric-name.js';

/** What a comparison shows, as tables that a terminal and Markdown both render. */
export interface ComparisonTables {
  configuration: Column[];
  geomean: Column[];
  cells: Column[];
  /** What the machines can do at most, beside what was measured of the work that it bounds. */
  ceilings: Column[];
  shape: Column[];
  notes: string[];
}

/** Metrics that are computed change only with the workload or the model; they are summed up. */
export function perCellMetrics(): string[] {
  return metrics.filter((metric) => !isDerived(metric)).map(({ name }) => name);
}

export function comparisonTables(comparison: Comparison): ComparisonTables {
  const { configuration, geomean, shape } = comparison;
  const means = Object.entries(geomean);
  const shapes = Object.entries(shape).flatMap(([metric, compared]) =>
    compared === undefined ? [] : [{ metric, ...compared }],
  );
  return {
    configuration: [
      left(
        'differs in',
        configuration.map(({ what }) => what),
      ),
      left(
        'baseline',
        configuration.map(({ baseline }) => abridged(baseline)),
      ),
      left(
        'candidate',
        configuration.map(({ candidate }) => abridged(candidate)),
      ),
    ],
    geomean: [
      left(
        'all cells',
        means.map(([metric]) => metricName(metric)),
      ),
      {
        ...right(
          ['ratio', 'geometric mean'],
          means.map(([, { ratio }]) => times(ratio)),
        ),
        importance: 90,
      },
      right(
        ['95% interval', ''],
        means.map(([, { low, high }]) => interval(low, high)),
      ),
      left(
        'verdict',
        means.map(([, { verdict }]) => verdict ?? dash),
      ),
    ],
    cells: cellColumns(comparison),
    ceilings: ceilingColumns(comparison),
    shape: [
      left(
        'work per token',
        shapes.map(({ metric }) => metricName(metric)),
      ),
      right(
        ['rank correlation', 'over cells'],
        shapes.map(({ rankCorrelation }) => formatNumber(rankCorrelation)),
      ),
      right(
        ['misbilled by', 'baseline tariff'],
        shapes.map(({ misbilledByBaselineTariff }) =>
          formatPercent(misbilledByBaselineTariff.inputOutput ?? null),
        ),
      ),
    ],
    notes: notes(comparison),
  };
}

/** Twelve digits tell digests apart, and leave room for the column beside them. */
function abridged(setting: string): string {
  return /^[0-9a-f]{40,}/.test(setting) ? `${setting.slice(0, 12)}…` : setting;
}

/** `null` stands for the geometric mean over all cells. */
export function cellLabel(cell: string | null): string {
  return cell ?? 'all cells together';
}

function cellColumns({ cells }: Comparison): Column[] {
  const compared = perCellMetrics().filter((metric) => cells.some((row) => row.metric === metric));
  const ids = [...new Set(cells.map(({ cell }) => cell))];
  const rows = new Map(cells.map((row) => [`${row.cell} ${row.metric}`, row]));
  return [
    left('cell', ids),
    ...compared.map((metric, index) => ({
      ...right(
        [metricName(metric), 'ratio'],
        ids.map((id) => verdictOf(rows.get(`${id} ${metric}`))),
      ),
      importance: compared.length - index,
    })),
  ];
}

function verdictOf(row: ComparedCell | undefined): string {
  if (row === undefined || row.ratio === null) return dash;
  return row.verdict === null ? times(row.ratio) : `${times(row.ratio)} ${row.verdict}`;
}

/** Decode is bound by reading, prefill by multiplying: 1.8× the speed on a machine with 2.0× the bandwidth. */
function ceilingColumns({ ceilings, geomean }: Comparison): Column[] {
  const speed = (metric: string) => {
    const ratio = geomean[metric]?.ratio;
    return ratio === undefined ? dash : `${times(1 / ratio)} by ${metricName(metric)}`;
  };
  const { memoryBandwidth, gemm } = ceilings;
  const rows = [
    ...(memoryBandwidth === null
      ? []
      : [{ name: 'read bandwidth', ratio: memoryBandwidth, measured: speed('tpot') }]),
    ...Object.entries(gemm).map(([dtype, ratio]) => ({
      name: `${dtype} GEMM rate`,
      ratio,
      measured: speed('ttft'),
    })),
  ];
  return [
    left(
      'ceiling',
      rows.map(({ name }) => name),
    ),
    right(
      ['ratio', 'of machines'],
      rows.map(({ ratio }) => times(ratio)),
    ),
    right(
      ['speed', 'measured'],
      rows.map(({ measured }) => measured),
    ),
  ];
}

function notes({ method, warnings }: Comparison): string[] {
  return [method, ...warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`)];
}

export function times(ratio: number): string {
  return `${formatNumber(ratio)}×`;
}

export function interval(low: number | null, high: number | null): string {
  if (low === null || high === null) return dash;
  return low === high ? 'exact' : `${formatNumber(low)}–${formatNumber(high)}`;
}

function left(header: string, values: string[]): Column {
  return { header: [header, ''], values, align: 'left', importance: 100 };
}

function right(header: Column['header'], values: string[]): Column {
  return { header, values, align: 'right', importance: 50 };
}
