/**
 * rows/ lays a result out flat for other programs: one row per request, a column per figure, the unit in the
 * column's name, and nothing rounded or converted.
 */
import { type MetricRecord, metrics } from '../../core/metrics.js';
import { type Cell, isOk, type RequestRow, type Result } from '../../core/result.js';

type Value = number | string | boolean | null;

/** One column over all rows. `integer` values are safe integers; `null` stands for what is absent. */
export interface RowColumn {
  name: string;
  type: 'integer' | 'number' | 'boolean' | 'text';
  values: Value[];
}

/** A request with what it belongs to. */
interface Request {
  result: Result;
  cell: Cell;
  row: RequestRow;
}

interface Field extends Pick<RowColumn, 'name' | 'type'> {
  read(request: Request): Value;
}

const unitWords: Readonly<Record<string, string>> = {
  ns: 'ns',
  J: 'j',
  B: 'bytes',
  B·s: 'byte_seconds',
  FLOP: 'flop',
};

const tokenKinds = ['prompt', 'completion', 'cached', 'reasoning', 'hidden', 'processed'] as const;
const timePoints = ['submitted', 'started', 'firstToken', 'lastToken', 'ended'] as const;

/**
 * The requests of one or several results as columns, in the order of the results. Times are on the clock of
 * their run, in ns since its beginning; metrics are in the base units of the registry, as the names say. A
 * metric that is absent has its reason in the column beside it.
 */
export function requestColumns(results: readonly Result[]): RowColumn[] {
  const requests = results.flatMap((result) => {
    const cells = new Map(result.cells.map((cell) => [cell.id, cell]));
    return result.requests.map((row): Request => ({ result, cell: cells.get(row.cell)!, row }));
  });
  const factors = factorFields(results.flatMap(({ cells }) => cells));
  const served = requests.some(({ row }) => row.served !== undefined) ? servedFields : [];
  return [...before, ...factors, ...after, ...served, ...metricFields()].map(({ name, type, read }) => ({
    name,
    type,
    values: requests.map(read),
  }));
}

const before: readonly Field[] = [
  { name: 'run_id', type: 'text', read: ({ result }) => result.run.id },
  { name: 'request_id', type: 'integer', read: ({ row }) => row.id },
  { name: 'model', type: 'text', read: ({ cell }) => cell.model },
  { name: 'cell', type: 'text', read: ({ row }) => row.cell },
];

const after: readonly Field[] = [
  { name: 'repetition', type: 'integer', read: ({ row }) => row.repetition },
  { name: 'worker', type: 'integer', read: ({ row }) => row.worker },
  { name: 'outcome', type: 'text', read: ({ row }) => row.outcome.status },
  { name: 'outcome_code', type: 'text', read: ({ row }) => (isOk(row) ? null : row.outcome.code) },
  ...tokenKinds.map(
    (kind): Field => ({
      name: `${kind}_tokens`,
      type: 'integer',
      read: ({ row }) => row.tokens?.[kind] ?? null,
    }),
  ),
  ...timePoints.map(
    (point): Field => ({
      name: `${snake(point)}_ns`,
      type: 'integer',
      read: ({ row }) => (row.times as Partial<Record<typeof point, number>> | null)?.[point] ?? null,
    }),
  ),
  {
    name: 'runs_in_window',
    type: 'integer',
    read: ({ row }) => (isOk(row) ? (row.runsInWindow ?? 1) : null),
  },
];

/** Of requests to servers; the columns are there where any request was one. */
const servedFields: readonly Field[] = (
  [
    ['replica', 'text'],
    ['retries', 'integer'],
    ['finishReason', 'text'],
    ['clientTokens', 'integer'],
    ['usageFrom', 'text'],
    ['events', 'integer'],
  ] as const
).map(([field, type]) => ({
  name: `served_${snake(field)}`,
  type,
  read: ({ row }) => row.served?.[field] ?? null,
}));

function metricFields(): Field[] {
  return metrics.flatMap((metric): Field[] => {
    const name = metricColumn(metric);
    return [
      { name, type: 'number', read: (request) => figureOf(metric, request) },
      { name: `${name}_absent`, type: 'text', read: (request) => absenceOf(metric, request) },
    ];
  });
}

function figureOf(metric: MetricRecord, { cell, row }: Request): number | null {
  // A request that failed has no latency, but may have used something.
  if (!isOk(row)) return metric.ofStage({ work: row.work ?? {} });
  return metric.ofRequest(row, typeof cell.factors.batch === 'number' ? cell.factors.batch : 1);
}

/** Why a request that succeeded lacks a figure; a latency that needs more tokens than there were is too short. */
function absenceOf(metric: MetricRecord, request: Request): string | null {
  const { row, result } = request;
  if (!isOk(row) || figureOf(metric, request) !== null) return null;
  if (metric.kind === 'latency') return 'too-short';
  return row.absent?.[metric.name] ?? result.metrics[metric.name]?.reason ?? null;
}

/** A column for each factor that any cell has; its type is the narrowest that holds all levels. */
function factorFields(cells: readonly Cell[]): Field[] {
  const taken = new Set<string>();
  const factors = new Set(cells.flatMap((cell) => Object.keys(cell.factors)));
  return [...factors].map((factor) => {
    let name = `factor_${snake(factor)}`;
    for (let number = 2; taken.has(name); number++) name = `factor_${snake(factor)}_${number}`;
    taken.add(name);
    const type = typeOf(cells.flatMap((cell) => cell.factors[factor] ?? []));
    const shown = type === 'text' ? String : (level: Value) => level;
    return {
      name,
      type,
      read: ({ cell }) => (cell.factors[factor] === undefined ? null : shown(cell.factors[factor])),
    };
  });
}

function typeOf(levels: readonly Value[]): RowColumn['type'] {
  if (levels.every((level) => Number.isSafeInteger(level))) return 'integer';
  if (levels.every((level) => typeof level === 'number')) return 'number';
  return levels.every((level) => typeof level === 'boolean') ? 'boolean' : 'text';
}

/** `energy_j`, `e2e_ns`; a name that says its unit already, as `kv_byte_seconds` does, says it once. */
function metricColumn({ name, unit }: MetricRecord): string {
  const word = unitWords[unit] ?? snake(unit);
  return snake(name).includes(word) ? snake(name) : `${snake(name)}_${word}`;
}

/** `promptTokens` as `prompt_tokens`, `reasoning.tokens` as `reasoning_tokens`: a name that SQL need not quote. */
function snake(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^\p{L}\p{N}]+/gu, '_')
    .toLowerCase();
}
