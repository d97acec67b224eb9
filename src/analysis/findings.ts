/**
 * analysis/: a result to findings. Pure functions on what was measured, without a model, a GPU or native
 * code; one metric, one file, its definition in its docstring.
 */
import type { LedgerCheck } from '../core/ledger-check.js';
import { byImportance, metricOf, type WorkMetric, workMetricNames } from '../core/metrics.js';
import type { Recording } from '../core/records/sampling.js';
import type { Result } from '../core/result.js';
import { sum } from '../stats/sum.js';
import { type EffectiveTokens, effectiveTokensOf } from './effective-tokens.js';
import { type PlainToken, plainTokenOf, referenceCells } from './plain-token.js';
import { type AnsweredQuestion, answeredQuestions } from './questions/answers.js';
import type { RequestTable } from './requests/request-table.js';
import { type ResultHead, type TabledResult, tabled } from './requests/table-builder.js';
import { isStaged, type StageColumns, stageColumns } from './stages/columns.js';
import { type Component, componentsOf } from './stages/components.js';
import { type StageEffect, type StageWeight, stageEffects } from './stages/effects.js';
import { type StageFindings, stageFindings } from './stages/findings.js';
import { isTrace } from './stages/traced-prompts.js';
import { type Waterfall, waterfallsOf } from './stages/waterfall.js';
import type { Design } from './statistic.js';
import { type CellTotals, totalsOf } from './uniformity/cell-totals.js';
import { DriverAnalysis } from './uniformity/drivers.js';
import { factorsOf } from './uniformity/factors.js';
import { type Uniformity, uniformityOf } from './uniformity/findings.js';
import { CellParts } from './uniformity/thinning.js';
import type { UniformityOptions } from './uniformity/uniformity.js';
import { estimateNoise, noNoise } from './uniformity/within-cell-noise.js';

export type { Uniformity };

/** Everything that a result says about tokens and work; `tokenwork report FILE --json` prints it. */
export interface Findings {
  schemaVersion: 2;
  /** The run's id. */
  result: string;
  /** The recording that sensors were played from: their figures are of another machine. */
  recording?: Recording;
  workload: {
    suite: string;
    models: string[];
    cells: number;
    requests: number;
    failed: number;
    design: Design;
    /** The way in which intervals were made, in words. */
    intervals: string;
    seed: number;
  };
  uniformity: Partial<Record<WorkMetric, Uniformity>>;
  /** Why a metric has no findings. */
  notMeasured: Partial<Record<WorkMetric, string>>;
  plainToken: Partial<Record<WorkMetric, PlainToken>>;
  /** By metric and cell; `null` for more cells than a reader or a page can take. */
  effectiveTokens: Partial<Record<WorkMetric, EffectiveTokens[]>> | null;
  /** The stage table: a row per component of answering a request. */
  components: StageEffect[];
  /** The stages that components consist of, in the order in which they run. */
  stages: StageEffect[];
  /** By metric: the work that no bill shows, and what each stage does to the misbilled share. */
  hiddenWork: Partial<Record<WorkMetric, StageFindings['hiddenWork']>>;
  /** By the leading metric: of the mean request of each model, then of each cell where there are few. */
  waterfalls: Waterfall[];
  /** The questions that the suite was made to answer. */
  questions: AnsweredQuestion[];
  ledger: LedgerCheck;
}

/** How findings are drawn. */
export interface FindingsOptions {
  /** Seed of the bootstrap; 1 by default. */
  seed?: number;
  /** Bootstrap resamples at most; 2,000 by default. */
  resamples?: number;
  /** All by default. */
  metrics?: readonly WorkMetric[];
  /** Overrides what the result says of its design. */
  design?: Design;
}

const cellsListed = 1000;

const intervalWords: Record<Design, string> = {
  fixed:
    'The cells are given and only noise is random: 95% parametric bootstrap of the noise within cells, spanning the least and the most bias that noise gives.',
  sampled:
    'The requests are a sample: 95% cluster bootstrap over cells, less the bias that noise gives where repetitions show it.',
};

/**
 * Draws from a result what it says about tokens and work. What cannot be said is `null` with its reason.
 *
 * @param result as `bench` or `readResult` gives it
 * @param options which metrics, how many bootstrap resamples, and their seed
 * @returns shares as fractions of 1, intervals at 95%, work in the unit that stands beside it
 * @throws TokenworkError `inconsistent-result` where the rows do not fit together
 * @example
 * ```js
 * const { uniformity } = findingsOf(await readResult('result.json'));
 * console.log(uniformity.cpuTime.misbilledShare); // { value: 0.083, low: 0.075, high: 0.09, … }
 * ```
 */
export function findingsOf(result: Result, options: FindingsOptions = {}): Findings {
  return findingsFrom(tabled(result, result.requests), options);
}

const noWorkload =
  'a trace is of single prompts beside a reference request, and they are no workload to be billed';

/** The findings from a result whose rows stand in columns. */
export function findingsFrom({ head, table, ledger }: TabledResult, options: FindingsOptions = {}): Findings {
  const { seed = 1, resamples = 2000, metrics = workMetricNames() } = options;
  const design = options.design ?? designOf(head, table);
  const findings: Findings = {
    schemaVersion: 2,
    result: head.run.id,
    ...(head.environment.recording && { recording: head.environment.recording }),
    workload: {
      suite: head.run.suite,
      models: [...table.models],
      cells: new Set(table.cell).size,
      requests: table.size,
      failed: table.failed,
      design,
      intervals: intervalWords[design],
      seed,
    },
    uniformity: {},
    notMeasured: {},
    plainToken: {},
    effectiveTokens: table.cells.length > cellsListed ? null : {},
    components: [],
    stages: [],
    hiddenWork: {},
    waterfalls: [],
    questions: answeredQuestions(head, table, { design, seed }),
    ledger,
  };
  const columns = stageColumns(table);
  const components = componentsOf(columns.stages);
  const context: Context = {
    head,
    table,
    columns,
    components,
    weights: {},
    componentWeights: {},
    leading: byImportance(metrics).find((metric) => isStaged(table, metric)) ?? null,
    drivers: new DriverAnalysis(factorsOf(table)),
    reference: referenceCells(table),
    options: {
      ...{ design, seed, resamples, parts: new CellParts(seed) },
      ...(isTrace(table) && { unjudged: noWorkload }),
    },
  };
  for (const metric of metrics) {
    const reason = addMetric(findings, metric, context);
    if (reason !== null) findings.notMeasured[metric] = reason;
  }
  findings.workload.intervals += limitOfIntervals(findings);
  findings.stages = stageEffects(table, columns.stages, context.weights);
  findings.components = stageEffects(
    table,
    components.map(({ column }) => column),
    context.componentWeights,
  );
  const [metric] = findings.stages.flatMap((stage) => stage.metric ?? []);
  if (metric !== undefined) {
    const visibility = new Map(findings.stages.map((stage) => [stage.name, stage.visibility]));
    findings.waterfalls = waterfallsOf(columns, metric, findings.plainToken[metric]!, visibility);
  }
  return findings;
}

/** What the tails of the work take from the intervals, beside them wherever they are printed. */
function limitOfIntervals({ uniformity }: Findings): string {
  const cautions = Object.values(uniformity).flatMap(
    ({ misbilledShare, rSquared }) => misbilledShare.caution ?? rSquared.oneRate.caution ?? [],
  );
  return cautions.length === 0 ? '' : ` Caution: ${cautions[0]}.`;
}

/** The parts that all metrics' findings share. */
interface Context {
  head: ResultHead;
  table: RequestTable;
  drivers: DriverAnalysis;
  reference: ReadonlySet<number>;
  columns: StageColumns;
  components: readonly Component[];
  /** Filled metric by metric. */
  weights: Partial<Record<WorkMetric, StageWeight[]>>;
  componentWeights: Partial<Record<WorkMetric, StageWeight[]>>;
  /** The metric that the result is about. */
  leading: WorkMetric | null;
  options: UniformityOptions;
}

/** Adds one metric's findings; returns why there are none. */
function addMetric(findings: Findings, metric: WorkMetric, context: Context): string | null {
  const { head, table, columns, components, options } = context;
  const { noTotal } = metricOf(metric).addsUp;
  if (noTotal !== null) return noTotal;
  const about = head.metrics[metric];
  const work = table.metrics[metric];
  const totals = totalsOf(table, work);
  if (totals.cell.length === 0) {
    return table.size === 0 ? 'no request succeeded' : (about?.reason ?? 'no request measured it');
  }
  if (sum(totals.work) === 0) return 'it is 0 for every request';

  const unit = about?.unit ?? '';
  const exact = about?.provenance === 'derived';
  const noiseOf = (own: CellTotals, values: Float64Array) =>
    estimateNoise(table, own, values, table.attributionErrors[metric]) ?? (exact ? noNoise(own) : null);
  const noise = noiseOf(totals, work);
  const plainToken = plainTokenOf(table, context.reference, totals, noise, `${unit}/token`);
  findings.plainToken[metric] = plainToken;
  if (findings.effectiveTokens !== null) {
    findings.effectiveTokens[metric] = effectiveTokensOf(table, totals, noise, plainToken);
  }
  const leading = metric === context.leading;
  const staged = stageFindings(metric, {
    table,
    columns,
    components,
    work,
    plainToken,
    noiseOf,
    exact,
    leading,
    options,
  });
  if (staged !== null) {
    context.weights[metric] = staged.weights;
    context.componentWeights[metric] = staged.componentWeights;
    findings.hiddenWork[metric] = staged.hiddenWork;
  }
  findings.uniformity[metric] = uniformityOf(table, totals, noise, {
    unit,
    drivers: context.drivers,
    options,
  });
  return null;
}

/** The metric that findings are told by: the nearest to money of those measured. */
export function leadingMetric({ uniformity }: Pick<Findings, 'uniformity'>): WorkMetric | null {
  return byImportance(Object.keys(uniformity) as WorkMetric[])[0] ?? null;
}

/** The design that the run states; where it states none, cells that mostly hold one request are a trace's. */
function designOf({ run }: ResultHead, { cell, cells }: RequestTable): Design {
  if (run.design !== undefined) return run.design;
  const requests = new Uint32Array(cells.length);
  for (const c of cell) requests[c]!++;
  const single = requests.filter((n) => n === 1).length;
  return single * 2 > requests.filter((n) => n > 0).length ? 'sampled' : 'fixed';
}
