import { unlistedCell } from '../../core/consistency.js';
import { LedgerAudit, type LedgerCheck } from '../../core/ledger-check.js';
import { type MetricName, metrics, type WorkMetric } from '../../core/metrics.js';
import {
  type Cell,
  isOk,
  type OkRequest,
  type RequestRow,
  type Result,
  type Stage,
} from '../../core/result.js';
import { normal95 } from '../../stats/normal.js';
import {
  absenceReasons,
  type RequestTable,
  requestTimes,
  type StageKind,
  type StageTable,
} from './request-table.js';

/** A result without its rows. */
export type ResultHead = Omit<Result, 'requests'>;

/** A result whose rows stand in columns: all that findings are drawn from. */
export interface TabledResult {
  head: ResultHead;
  table: RequestTable;
  /** The ledger of all rows, which were checked while they were read. */
  ledger: LedgerCheck;
}

/**
 * Puts a result's rows, as they come, into columns.
 *
 * @throws TokenworkError `inconsistent-result` where a row names a cell that the result has not
 */
export function tabled(head: ResultHead, rows: Iterable<RequestRow>): TabledResult {
  const builder = new TableBuilder(head.cells, head.run.repetitions);
  const audit = new LedgerAudit();
  for (const row of rows) {
    builder.add(row);
    audit.add(isOk(row) ? row : { id: row.id, work: row.work });
  }
  return { head, table: builder.finish(), ledger: audit.finish(head.conservation) };
}

interface TableSource {
  cells: readonly Cell[];
  run: { repetitions: number };
  requests: Iterable<RequestRow>;
}

/** The table of a result whose rows are at hand. */
export function tableOf({ cells, run, requests }: TableSource): RequestTable {
  const builder = new TableBuilder(cells, run.repetitions);
  for (const row of requests) builder.add(row);
  return builder.finish();
}

/** The table of requests of which no more is known than their rows: of no model and one round. */
export function tableOfRequests(requests: readonly OkRequest[]): RequestTable {
  const ids = [...new Set(requests.map(({ cell }) => cell))];
  const cells = ids.map((id) => ({ id, model: '', factors: {} }));
  return tableOf({ cells, run: { repetitions: 1 }, requests });
}

/** Takes a result's rows one by one, none of which it keeps. */
class TableBuilder {
  readonly #cells: readonly Cell[];
  readonly #plannedRepetitions: number;
  readonly #indexOfCell: ReadonlyMap<string, number>;
  readonly #batchOfCell: readonly number[];
  readonly #cell = new GrowingColumn(Uint32Array);
  readonly #repetition = new GrowingColumn(Uint32Array);
  readonly #tokens = {
    prompt: numbers(),
    completion: numbers(),
    cached: numbers(),
    hidden: numbers(),
  };
  readonly #times = {
    submitted: numbers(),
    started: numbers(),
    firstToken: numbers(),
    lastToken: numbers(),
    ended: numbers(),
  };
  readonly #metrics = metrics.map((metric) => ({ metric, column: numbers() }));
  readonly #absent = new Map<string, GrowingColumn<Uint8Array>>();
  readonly #attributionErrors = new Map<string, GrowingColumn<Float64Array>>();
  readonly #stages = new StageBuilder();
  #size = 0;
  #failed = 0;

  /** Each of `cells` was planned to run `plannedRepetitions` times, or, in a trace, as often as it comes up in it. */
  constructor(cells: readonly Cell[], plannedRepetitions: number) {
    this.#cells = cells;
    this.#plannedRepetitions = plannedRepetitions;
    this.#indexOfCell = new Map(cells.map(({ id }, index) => [id, index]));
    this.#batchOfCell = cells.map(({ factors }) => (typeof factors.batch === 'number' ? factors.batch : 1));
  }

  /** Throws TokenworkError `inconsistent-result` where the row names a cell that the result has not. */
  add(row: RequestRow): void {
    const cell = this.#indexOfCell.get(row.cell);
    if (cell === undefined) throw unlistedCell(row.id, row.cell);
    if (isOk(row)) this.#addOk(row, cell);
    else this.#failed++;
  }

  #addOk(row: OkRequest, cell: number): void {
    const i = this.#size++;
    const { tokens, times } = row;
    this.#cell.set(i, cell);
    this.#repetition.set(i, row.repetition);
    this.#tokens.prompt.set(i, tokens.prompt);
    this.#tokens.completion.set(i, tokens.completion);
    this.#tokens.cached.set(i, tokens.cached);
    this.#tokens.hidden.set(i, tokens.hidden);
    this.#times.submitted.set(i, times.submitted);
    this.#times.started.set(i, times.started);
    this.#times.firstToken.set(i, times.firstToken);
    this.#times.lastToken.set(i, times.lastToken);
    this.#times.ended.set(i, times.ended ?? times.lastToken);
    const batch = this.#batchOfCell[cell]!;
    for (const { metric, column } of this.#metrics) column.set(i, metric.ofRequest(row, batch) ?? Number.NaN);
    for (const [metric, reason] of Object.entries(row.absent ?? {})) {
      const known = this.#absent.get(metric) ?? new GrowingColumn(Uint8Array);
      this.#absent.set(metric, known);
      known.set(i, 1 + absenceReasons.indexOf(reason));
    }
    for (const [metric, interval] of Object.entries(row.intervals ?? {})) {
      const known = this.#attributionErrors.get(metric) ?? numbers();
      this.#attributionErrors.set(metric, known);
      known.set(i, relativeError(row.work[metric as WorkMetric] ?? null, interval));
    }
    this.#stages.add(row.stages);
  }

  finish(): RequestTable {
    const cells = this.#cells;
    const size = this.#size;
    const models = [...new Set(cells.map(({ model }) => model))];
    const numberOf = new Map(models.map((model, index) => [model, index]));
    const cell = this.#cell.values(size);
    const repetition = this.#repetition.values(size);
    const { prompt, completion, cached, hidden } = this.#tokens;
    const named = <Column extends Float64Array | Uint8Array>(
      columns: Iterable<readonly [string, GrowingColumn<Column>]>,
    ) => Object.fromEntries([...columns].map(([name, column]) => [name, column.values(size)]));
    return {
      size,
      failed: this.#failed,
      cells,
      models,
      modelOfCell: Uint32Array.from(cells, ({ model }) => numberOf.get(model)!),
      cell,
      repetition,
      ...roundsOf(cell, repetition, cells.length, this.#plannedRepetitions),
      promptTokens: prompt.values(size),
      completionTokens: completion.values(size),
      cachedTokens: cached.values(size),
      hiddenTokens: hidden.values(size),
      times: named(requestTimes.map((time) => [time, this.#times[time]] as const)) as RequestTable['times'],
      metrics: named(
        this.#metrics.map(({ metric, column }) => [metric.name, column] as const),
      ) as RequestTable['metrics'],
      attributionErrors: named(this.#attributionErrors) as RequestTable['attributionErrors'],
      absent: named(this.#absent) as Partial<Record<WorkMetric, Uint8Array>>,
      stages: this.#stages.finish(),
    };
  }
}

/** Standard error of an amount with a 95% interval, as a share of it. */
function relativeError(amount: number | null, [low, high]: readonly [number, number]): number {
  return amount === null || amount <= 0 ? 0 : (high - low) / (2 * normal95) / amount;
}

/** Repetitions count a cell's requests; a trace's cell has several of them in each round. */
function roundsOf(
  cell: Uint32Array,
  repetition: Uint32Array,
  cells: number,
  plannedRepetitions: number,
): Pick<RequestTable, 'round' | 'rounds'> {
  const largest = new Uint32Array(cells);
  for (let i = 0; i < cell.length; i++) largest[cell[i]!] = Math.max(largest[cell[i]!]!, repetition[i]!);
  const planned = Math.max(1, plannedRepetitions);
  const perRound = largest.map((most) => Math.ceil((most + 1) / planned));
  const round = repetition.map((own, i) => Math.floor(own / perRound[cell[i]!]!));
  return { round, rounds: round.reduce((most, own) => Math.max(most, own + 1), 0) };
}

class StageBuilder {
  readonly #kinds: StageKind[] = [];
  readonly #numberOf = new Map<string, number>();
  readonly #first = new GrowingColumn(Uint32Array);
  readonly #stage = new GrowingColumn(Uint16Array);
  readonly #visible = new GrowingColumn(Uint8Array);
  readonly #positions = numbers();
  readonly #billed = numbers();
  readonly #cached = numbers();
  readonly #metrics = metrics.map((metric) => ({
    metric,
    column: null as GrowingColumn<Float64Array> | null,
  }));
  #requests = 0;
  #size = 0;

  add(stages: readonly Stage[]): void {
    for (const stage of stages) {
      const e = this.#size++;
      this.#stage.set(e, this.#kindOf(stage));
      this.#visible.set(e, stage.visible ? 1 : 0);
      this.#positions.set(e, stage.tokens);
      this.#billed.set(e, stage.billed);
      this.#cached.set(e, stage.cached ?? 0);
      for (const entry of this.#metrics) {
        const value = entry.metric.ofStage(stage);
        if (value === null && entry.column === null) continue;
        entry.column ??= notMeasured(e);
        entry.column.set(e, value ?? Number.NaN);
      }
    }
    this.#first.set(++this.#requests, this.#size);
  }

  #kindOf({ name, type }: Stage): number {
    const known = this.#numberOf.get(name);
    if (known !== undefined) return known;
    this.#numberOf.set(name, this.#kinds.length);
    return this.#kinds.push({ name, type }) - 1;
  }

  finish(): StageTable {
    const size = this.#size;
    return {
      kinds: this.#kinds,
      first: this.#first.values(this.#requests + 1),
      stage: this.#stage.values(size),
      visible: this.#visible.values(size),
      positions: this.#positions.values(size),
      billed: this.#billed.values(size),
      cached: this.#cached.values(size),
      metrics: Object.fromEntries(
        this.#metrics.flatMap(({ metric, column }) => (column ? [[metric.name, column.values(size)]] : [])),
      ) as Partial<Record<MetricName, Float64Array>>,
    };
  }
}

function numbers(): GrowingColumn<Float64Array> {
  return new GrowingColumn(Float64Array);
}

/** A column of `size` entries in which nothing was measured. */
function notMeasured(size: number): GrowingColumn<Float64Array> {
  const column = numbers();
  for (let e = 0; e < size; e++) column.set(e, Number.NaN);
  return column;
}

type TypedArray = Float64Array | Uint32Array | Uint16Array | Uint8Array;

/** A typed array of a length not known beforehand, 0 wherever nothing was set. */
class GrowingColumn<Values extends TypedArray> {
  readonly #make: new (
    size: number,
  ) => Values;
  #values: Values;

  constructor(make: new (size: number) => Values) {
    this.#make = make;
    this.#values = new make(64);
  }

  set(at: number, value: number): void {
    if (at >= this.#values.length) this.#grow(at + 1);
    this.#values[at] = value;
  }

  /** The first `size` values. Memory behind them that nothing was written to takes no room. */
  values(size: number): Values {
    if (size > this.#values.length) this.#grow(size);
    return this.#values.subarray(0, size) as Values;
  }

  #grow(size: number): void {
    const before = this.#values;
    this.#values = new this.#make(Math.max(size, 2 * before.length));
    this.#values.set(before);
  }
}
