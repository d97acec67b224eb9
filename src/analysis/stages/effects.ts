import { byImportance, type WorkMetric } from '../../core/metrics.js';
import { quantile } from '../../stats/quantile.js';
import { sum } from '../../stats/sum.js';
import type { PlainToken } from '../plain-token.js';
import type { RequestTable } from '../requests/request-table.js';
import type { Design } from '../statistic.js';
import type { StageColumn, StageWork } from './columns.js';
import { type Component, componentWork } from './components.js';
import { fixedCost } from './fixed-cost.js';
import {
  type Groups,
  groupsFor,
  type Jackknifed,
  jackknifeReach,
  type PlainTokens,
  plainTokens,
} from './leave-one-out.js';
import { type Visibility, visibilityOf, visibleShare } from './visibility.js';

/** The work that a stage of the pipeline adds to requests, in one metric. */
export interface StageWeight {
  /** Whether a bill shows its work, in a word and as a share of it; `null` where it did none. */
  visibility: Visibility | null;
  visibleShare: number | null;
  /** Cost before its first token where it runs; `null` with a `reason`. */
  fixedEffectiveTokens: number | null;
  /** 95%, from noise over rounds, or over cells where they are a sample; `null` where too few of them tell. */
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
    ran: shareRan(table, column, column, null).value,
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

/** What one metric's weights are drawn from. */
export interface Weighing {
  table: RequestTable;
  stages: readonly StageColumn[];
  works: readonly StageWork[];
  components: readonly Component[];
  /** The requests' work. */
  work: Float64Array;
  plainToken: PlainToken;
  design: Design;
}

/**
 * One metric's weight of every stage and of every component; one that is a single stage weighs what that does. A
 * stage that another model runs counts in plain tokens of the cell's own model, as that is who the request is
 * billed for.
 */
export function weightsOf(weighing: Weighing): { stages: StageWeight[]; components: StageWeight[] } {
  const { table, stages, works, components, work, plainToken, design } = weighing;
  const total = works.reduce((all, own) => all + measuredSum(own.work), 0);
  const ofStages: StageWeight[] = [];
  const ofComponents = components.map((component) => {
    const { column, stages: own } = component;
    const groups = groupsFor(table, column.ran, design);
    const plain = plainTokens(table, work, plainToken, { design, groups });
    const parts = own.map((s) => ({
      stage: stages[s]!,
      ...weighed(table, stages[s]!, works[s]!, { plain, total }),
    }));
    for (const [k, s] of own.entries()) ofStages[s] = parts[k]!.weight;
    if (own.length === 1) return parts[0]!.weight;
    const together = weighed(table, column, componentWork(component, works), { plain, total });
    const shares = parts.flatMap(({ weight }) => weight.shareOfWork ?? []);
    const { reason: _, ...weight } = together.weight;
    return {
      ...weight,
      shareOfWork: shares.length === 0 ? null : shares.reduce((all, share) => all + share),
      ...sumOfFixed(table, column, parts, plain),
    };
  });
  return { stages: ofStages, components: ofComponents };
}

interface Weighed {
  weight: StageWeight;
  /** `null` where nothing tells what is fixed. */
  fixed: Jackknifed | null;
}

function weighed(
  table: RequestTable,
  column: StageColumn,
  own: StageWork,
  { plain, total }: { plain: PlainTokens; total: number },
): Weighed {
  if (!own.work.some((value, i) => column.ran[i] === 1 && !Number.isNaN(value))) {
    return { weight: { ...nothing, reason: 'it was not measured by stage' }, fixed: null };
  }
  const { cell, modelOfCell, models } = table;
  const share = visibleShare(column, own, { count: models.length, of: (i) => modelOfCell[cell[i]!]! });
  const about = {
    visibility: share === null ? null : visibilityOf(share),
    visibleShare: share,
    shareOfWork: total > 0 ? measuredSum(own.work) / total : null,
  };
  const effectiveOf = (i: number, group: number | null = null) => own.work[i]! / plain.of(i, group);
  const present = rankedRequests(table, column).filter((i) => !Number.isNaN(effectiveOf(i)));
  if (present.length === 0) {
    const reason = 'the run has no plain token to weigh it by';
    return { weight: { ...nothing, ...about, reason }, fixed: null };
  }
  const ranked = Array.from(present, (i) => effectiveOf(i));
  const ran = present.filter((i) => column.ran[i] === 1);
  const fixed = fixedOf(table, column, { effectiveOf, ran, groups: plain.groups });
  const figures =
    fixed === null
      ? {
          fixedEffectiveTokens: null,
          fixedInterval: null,
          reason: 'its tokens do not vary, and so what is fixed cannot be told from them',
        }
      : figuresOf(fixed.value, fixed, plain.reach(present));
  const range: [number, number] = [quantile(ranked, 0.05)!, quantile(ranked, 0.95)!];
  return { weight: { ...about, ...figures, rangeEffectiveTokens: range }, fixed };
}

function measuredSum(work: Float64Array): number {
  let all = 0;
  for (let i = 0; i < work.length; i++) all += work[i]! || 0;
  return all;
}

type Fixed = Pick<StageWeight, 'fixedEffectiveTokens' | 'fixedInterval' | 'reason'>;

/** No cost is below 0, whatever a line through costs that follow none says of its intercept. */
function figuresOf(value: number, jackknifed: Jackknifed, relative: number): Fixed {
  const own = jackknifeReach(jackknifed);
  const reach = own === null ? null : Math.hypot(own, relative * value);
  const bounded = (end: number) => Math.max(0, end);
  return {
    fixedEffectiveTokens: bounded(value),
    fixedInterval: reach === null ? null : [bounded(value - reach), bounded(value + reach)],
  };
}

/**
 * Stages of a component differ in what a position costs, so that its fixed cost is no intercept on all their
 * positions: it is the sum of theirs, each times how often it runs. Their errors come from the same requests, and are
 * seen together.
 */
function sumOfFixed(
  table: RequestTable,
  column: StageColumn,
  parts: readonly (Weighed & { stage: StageColumn })[],
  plain: PlainTokens,
): Fixed {
  const known = parts.flatMap(({ stage, fixed }) =>
    fixed === null ? [] : [{ fixed, ran: shareRan(table, column, stage, plain.groups) }],
  );
  if (known.length < parts.length) {
    const { reason = 'one of its stages has none' } = parts.find(({ fixed }) => fixed === null)!.weight;
    return { fixedEffectiveTokens: null, fixedInterval: null, reason };
  }
  const value = known.reduce((total, { fixed, ran }) => total + ran.value * Math.max(0, fixed.value), 0);
  const without = known.every(({ fixed }) => fixed.without !== null)
    ? Array.from({ length: plain.groups!.count }, (_, group) =>
        known.reduce((total, { fixed, ran }) => total + ran.without![group]! * fixed.without![group]!, 0),
      )
    : null;
  const requests = Uint32Array.from(table.cell.keys()).filter((i) => column.ran[i] === 1);
  return figuresOf(value, { value, without }, plain.reach(requests));
}

/**
 * On the positions that the stage evaluates and reads from a cache. Where those are the same throughout, as
 * in a stage that evaluates none or always the same hidden ones, on what the request is billed.
 */
function fixedOf(
  { promptTokens, completionTokens }: RequestTable,
  { positions, cached, fresh }: StageColumn,
  {
    effectiveOf,
    ran,
    groups,
  }: {
    effectiveOf: (request: number, group: number | null) => number;
    ran: Uint32Array;
    groups: Groups | null;
  },
): Jackknifed | null {
  const own = fixedCost([positions, cached], effectiveOf, ran, groups);
  if (own !== null || ran.some((i) => fresh[i]! > 0)) return own;
  return fixedCost([promptTokens, completionTokens], effectiveOf, ran, groups);
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
function shareRan(
  { cell, cells }: RequestTable,
  among: StageColumn,
  { ran }: StageColumn,
  groups: Groups | null,
): Jackknifed {
  const has = cellsWith(among.ran, cell, cells.length);
  const [all, running] = [0, 0].map(() => new Float64Array((groups?.count ?? 0) + 1)) as [
    Float64Array,
    Float64Array,
  ];
  for (let i = 0; i < ran.length; i++) {
    if (has[cell[i]!] === 0) continue;
    const group = groups === null ? 0 : Math.min(groups.count, groups.of[i]!);
    all[group]!++;
    running[group]! += ran[i]!;
  }
  const [total, ranAtAll] = [sum(all), sum(running)];
  const without =
    groups && Array.from({ length: groups.count }, (_, g) => (ranAtAll - running[g]!) / (total - all[g]!));
  return { value: ranAtAll / total, without };
}

function cellsWith(ran: Uint8Array, cell: Uint32Array, cells: number): Uint8Array {
  const has = new Uint8Array(cells);
  for (let i = 0; i < ran.length; i++) if (ran[i] === 1) has[cell[i]!] = 1;
  return has;
}
