import { byImportance, type WorkMetric } from '../../core/metrics.js';
import { quantile } from '../../stats/quantile.js';
import type { PlainToken } from '../plain-token.js';
import type { RequestTable } from '../requests/request-table.js';
import type { StageColumn, StageWork } from './columns.js';
import { type Component, componentWork } from './components.js';
import { fixedCost } from './fixed-cost.js';
import { type Visibility, visibilityOf, visibleShare } from './visibility.js';

/** The work that a stage of the pipeline adds to requests, in one metric. */
export interface StageWeight {
  /** Whether a bill shows its work, in a word and as a share of it; `null` where it did none. */
  visibility: Visibility | null;
  visibleShare: number | null;
  /** Cost before its first token where it runs; `null` with a `reason`. */
  fixedEffectiveTokens: number | null;
  /** 95%; `null` where too few cells tell. */
  fixedInterval: [number, number] | null;
  /** 5th and 95th percentile over the requests of cells that have it, 0 where it did not run. */
  rangeEffectiveTokens: [number, number] | null;
  /** Its share of all stages' work. */
  shareOfWork: number | null;
  reason?: string;
}

/** A stage, weighed by the leading metric, and by every other that was measured. */
export interface StageEffect extends StageWeight {
  name: string;
  /** The component of answering a request that it belongs to, in words. */
  component: string;
  /** Share of the requests, of cells that have it, in which it ran. */
  ran: number;
  /** `null` where no stage's work was measured. */
  metric: WorkMetric | null;
  byMetric: Partial<Record<WorkMetric, StageWeight>>;
}

/** Beyond this many requests, every so many of them are ranked and fitted. */
const mostRanked = 20_000;

/** Stages, or components in their place, each with what it weighs. */
export function stageEffects(
  table: RequestTable,
  stages: readonly StageColumn[],
  weights: Partial<Record<WorkMetric, StageWeight[]>>,
): StageEffect[] {
  const weighed = Object.keys(weights) as WorkMetric[];
  const inTokens = weighed.filter((name) =>
    weights[name]!.some(({ rangeEffectiveTokens }) => rangeEffectiveTokens !== null),
  );
  const metric = byImportance(inTokens)[0] ?? byImportance(weighed)[0] ?? null;
  const unweighed = { ...nothing, reason: 'its work was not measured' };
  return stages.map((column, s) => ({
    name: column.name,
    component: column.component,
    ran: meanRan(table, column, column),
    metric,
    ...(metric === null ? unweighed : weights[metric]![s]!),
    byMetric: Object.fromEntries(Object.entries(weights).map(([name, own]) => [name, own[s]!])),
  }));
}

const nothing: StageWeight = {
  visibility: null,
  visibleShare: null,
  fixedEffectiveTokens: null,
  fixedInterval: null,
  rangeEffectiveTokens: null,
  shareOfWork: null,
};

/**
 * One metric's weight of every stage. A stage that another model runs counts in plain tokens of the cell's
 * own model, as that is who the request is billed for.
 */
export function stageWeights(
  table: RequestTable,
  stages: readonly StageColumn[],
  works: readonly StageWork[],
  plainToken: PlainToken,
): StageWeight[] {
  const { cell, modelOfCell, models } = table;
  const totals = works.map(({ work }) => measuredSum(work));
  const total = totals.reduce((sum, value) => sum + value, 0);
  return stages.map((column, s) => {
    const { work } = works[s]!;
    if (!isMeasured(column, work)) {
      return { ...nothing, reason: 'it was not measured by stage' };
    }
    const share = visibleShare(column, works[s]!, {
      count: models.length,
      of: (i) => modelOfCell[cell[i]!]!,
    });
    return {
      visibility: share === null ? null : visibilityOf(share),
      visibleShare: share,
      shareOfWork: total > 0 ? totals[s]! / total : null,
      ...inEffectiveTokens(table, column, work, plainToken),
    };
  });
}

function isMeasured({ ran }: StageColumn, work: Float64Array): boolean {
  for (let i = 0; i < work.length; i++) if (ran[i] === 1 && !Number.isNaN(work[i]!)) return true;
  return false;
}

function measuredSum(work: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < work.length; i++) sum += work[i]! || 0;
  return sum;
}

/**
 * One metric's weight of every component; one that is a single stage weighs what that does. Stages of a
 * component differ in what a position costs, so that its fixed cost is no intercept on all their positions:
 * it is the sum of theirs, each times how often it runs.
 */
export function componentWeights(
  table: RequestTable,
  components: readonly Component[],
  {
    stages,
    works,
    weights,
  }: { stages: readonly StageColumn[]; works: readonly StageWork[]; weights: readonly StageWeight[] },
  plainToken: PlainToken,
): StageWeight[] {
  return components.map((component) => {
    const { column } = component;
    if (component.stages.length === 1) return weights[component.stages[0]!]!;
    const [own] = stageWeights(table, [column], [componentWork(component, works)], plainToken);
    const shares = component.stages.flatMap((s) => weights[s]!.shareOfWork ?? []);
    const parts = component.stages.map((s) => ({
      weight: weights[s]!,
      ran: meanRan(table, column, stages[s]!),
    }));
    const { reason: _, ...weight } = own!;
    return {
      ...weight,
      shareOfWork: shares.length === 0 ? null : shares.reduce((sum, share) => sum + share),
      ...sumOfFixed(parts),
    };
  });
}

/** Errors are added as those of independent fits. */
function sumOfFixed(parts: readonly { weight: StageWeight; ran: number }[]): Fixed {
  const unknown = parts.find(({ weight }) => weight.fixedEffectiveTokens === null);
  if (unknown !== undefined) {
    const { reason = 'one of its stages has none' } = unknown.weight;
    return { fixedEffectiveTokens: null, fixedInterval: null, reason };
  }
  const value = parts.reduce((sum, { weight, ran }) => sum + ran * weight.fixedEffectiveTokens!, 0);
  const reach = (side: 0 | 1) =>
    Math.hypot(
      ...parts.map(({ weight, ran }) => ran * (weight.fixedInterval![side] - weight.fixedEffectiveTokens!)),
    );
  const known = parts.every(({ weight }) => weight.fixedInterval !== null);
  return {
    fixedEffectiveTokens: value,
    fixedInterval: known ? [Math.max(0, value - reach(0)), value + reach(1)] : null,
  };
}

type Fixed = Pick<StageWeight, 'fixedEffectiveTokens' | 'fixedInterval' | 'reason'>;

function inEffectiveTokens(
  table: RequestTable,
  column: StageColumn,
  work: Float64Array,
  plainToken: PlainToken,
): Fixed & Pick<StageWeight, 'rangeEffectiveTokens'> {
  const { cell, modelOfCell, models } = table;
  const plainOf = models.map((model) => plainToken.byModel[model]?.value ?? Number.NaN);
  const effectiveOf = (i: number) => work[i]! / plainOf[modelOfCell[cell[i]!]!]!;
  const present = rankedRequests(table, column).filter((i) => !Number.isNaN(effectiveOf(i)));
  if (present.length === 0) {
    const reason = 'the run has no plain token to weigh it by';
    return { fixedEffectiveTokens: null, fixedInterval: null, rangeEffectiveTokens: null, reason };
  }
  const ranked = Array.from(present, effectiveOf);
  const relative = errorOf(table, plainToken, present);
  const fixed = fixedOf(
    table,
    column,
    effectiveOf,
    present.filter((i) => column.ran[i] === 1),
  );
  return {
    fixedEffectiveTokens: fixed?.value ?? null,
    fixedInterval: fixed?.interval ? widened(fixed.value, fixed.interval, relative) : null,
    rangeEffectiveTokens: [quantile(ranked, 0.05)!, quantile(ranked, 0.95)!],
    ...(fixed === null && {
      reason: 'its tokens do not vary, and so what is fixed cannot be told from them',
    }),
  };
}

/**
 * On the positions that the stage evaluates and reads from a cache. Where those are the same throughout, as
 * in a stage that evaluates none or always the same hidden ones, on what the request is billed.
 */
function fixedOf(
  { cell, promptTokens, completionTokens }: RequestTable,
  { positions, cached, fresh }: StageColumn,
  effectiveOf: (request: number) => number,
  ran: Uint32Array,
) {
  const pick = (values: Float64Array) => Float64Array.from(ran, (i) => values[i]!);
  const [cost, cells] = [Float64Array.from(ran, effectiveOf), Uint32Array.from(ran, (i) => cell[i]!)];
  const own = fixedCost([pick(positions), pick(cached)], cost, cells);
  if (own !== null || ran.some((i) => fresh[i]! > 0)) return own;
  return fixedCost([pick(promptTokens), pick(completionTokens)], cost, cells);
}

/** The plain token's interval each way, as a share of it; the largest where there are several. */
function errorOf(
  { cell, modelOfCell, models }: RequestTable,
  { byModel }: PlainToken,
  requests: Uint32Array,
): number {
  const present = new Set(Array.from(requests, (i) => modelOfCell[cell[i]!]!));
  const reaches = [...present].map((model) => {
    const { low, high } = byModel[models[model]!]!;
    return low === null || high === null ? 0 : Math.sqrt(high / low) - 1;
  });
  return Math.max(0, ...reaches);
}

/** An interval with the plain token's own error in it. */
function widened(value: number, [low, high]: [number, number], relative: number): [number, number] {
  const reach = (side: number) => Math.hypot(side - value, relative * value);
  return [Math.max(0, value - reach(low)), value + reach(high)];
}

/** Takes every so many of the requests of those cells in which the stage runs, so that they are not too many. */
function rankedRequests({ cell, cells }: RequestTable, { ran }: StageColumn): Uint32Array {
  const has = cellsWith(ran, cell, cells.length);
  let all = 0;
  for (let i = 0; i < ran.length; i++) all += has[cell[i]!]!;
  const step = Math.max(1, Math.ceil(all / mostRanked));
  const ranked = new Uint32Array(Math.ceil(all / step));
  for (let i = 0, k = 0; i < ran.length; i++) {
    if (has[cell[i]!] === 1 && k++ % step === 0) ranked[(k - 1) / step] = i;
  }
  return ranked;
}

/** The share of requests in which the stage ran, among cells in which `among` runs at all. */
function meanRan({ cell, cells }: RequestTable, among: StageColumn, { ran }: StageColumn): number {
  const has = cellsWith(among.ran, cell, cells.length);
  let [all, running] = [0, 0];
  for (let i = 0; i < ran.length; i++) {
    if (has[cell[i]!] === 0) continue;
    all++;
    running += ran[i]!;
  }
  return running / all;
}

function cellsWith(ran: Uint8Array, cell: Uint32Array, cells: number): Uint8Array {
  const has = new Uint8Array(cells);
  for (let i = 0; i < ran.length; i++) if (ran[i] === 1) has[cell[i]!] = 1;
  return has;
}
