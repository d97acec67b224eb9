/**
 * analysis/: a result to findings. Pure functions on what was measured, without a model, a GPU or native
 * code; one metric, one file, its definition in its docstring.
 */
import { checkLedger, type LedgerCheck } from '../core/ledger-check.js';
import { byImportance, type WorkMetric } from '../core/metrics.js';
import type { Result } from '../core/result.js';
import type { Recording } from '../core/sampling-record.js';
import { workSchema } from '../core/work.js';
import { type LorenzPoint, lorenzCurve } from '../stats/concentration.js';
import { Room } from '../stats/room.js';
import { sum } from '../stats/sum.js';
import { type EffectiveTokens, effectiveTokensOf } from './effective-tokens.js';
import { type PlainToken, plainTokenOf, referenceCells } from './plain-token.js';
import { type Experiment, experimentsOf } from './questions/answers.js';
import { type StageColumns, stageColumns } from './stages/columns.js';
import { type Component, componentsOf } from './stages/components.js';
import { type StageEffect, type StageWeight, stageEffects } from './stages/effects.js';
import { type StageFindings, stageFindings } from './stages/findings.js';
import { type Waterfall, waterfallsOf } from './stages/waterfall.js';
import type { Design, Statistic } from './statistic.js';
import { sampleBuffer } from './uniformity/cell-sample.js';
import { type CellTotals, totalsOf } from './uniformity/cell-totals.js';
import { type Driver, DriverAnalysis } from './uniformity/drivers.js';
import { factorsOf } from './uniformity/factors.js';
import { type Observations, observe, workColumn } from './uniformity/observations.js';
import { fittedTariffs, type Prices, type Tariff } from './uniformity/tariff.js';
import { CellParts } from './uniformity/thinning.js';
import { type UniformityOptions, uniformityStatistics } from './uniformity/uniformity.js';
import { estimateNoise, type Noise, noNoise } from './uniformity/within-cell-noise.js';
import { type CrossSubsidy, worstCells } from './uniformity/worst-cells.js';

/** Whether tokens track one metric of work; `tokenwork report FILE --json` prints it. */
export interface Uniformity {
  unit: string;
  cells: number;
  requests: number;
  /** Relative standard deviation between repetitions of a cell; `null` where nothing was repeated. */
  noise: number | null;
  misbilledShare: Statistic;
  gini: Statistic;
  /** Shares of the bill and of the work, cells by rising work per token; 200 points at most. */
  lorenz: LorenzPoint[];
  theil: Statistic;
  /** Explained variance, held out by cell. */
  rSquared: Record<Tariff, Statistic>;
  elasticity: Statistic;
  workPerToken: { cv: Statistic; p95OverP5: Statistic; maxOverMedian: Statistic };
  /** Fitted prices in units of work, and what stays misbilled under them; `null` where not determined. */
  tariffs: Record<
    Tariff,
    { prices: (Omit<Prices, 'model'> & { model: string })[]; misbilledShare: number } | null
  >;
  worstCells: CrossSubsidy[];
  /** `null` with a reason where work per token does not vary, or no factor does. */
  drivers: Driver[] | null;
  driversReason?: string;
  driversLeftOut: { factor: string; reason: string }[];
}

/** Everything that a result says about tokens and work; `tokenwork report FILE --json` prints it. */
export interface Findings {
  schemaVersion: 1;
  /** The run's id. */
  result: string;
  /** Where sensors were played from it: what they read is of another machine. */
  recording?: Recording;
  workload: {
    suite: string;
    models: string[];
    cells: number;
    requests: number;
    failed: number;
    design: Design;
    /** How the intervals were made, in words. */
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
  /** What the components consist of, in the order in which stages run. */
  stages: StageEffect[];
  /** By metric: the work that no bill shows, and what each stage does to the misbilled share. */
  hiddenWork: Partial<Record<WorkMetric, StageFindings['hiddenWork']>>;
  /** By the leading metric: of the mean request of each model, then of each cell where there are few. */
  waterfalls: Waterfall[];
  /** The questions that the suite was made to answer. */
  experiments: Experiment[];
  ledger: LedgerCheck;
}

/** How findings are drawn. */
export interface FindingsOptions {
  /** Of the bootstrap; 1 by default. */
  seed?: number;
  /** Bootstrap resamples at most; 2,000 by default. */
  resamples?: number;
  /** All by default. */
  metrics?: readonly WorkMetric[];
  /** Overrides what the result says of its design. */
  design?: Design;
}

const workMetrics = Object.keys(workSchema.shape) as WorkMetric[];
const cellsListed = 1000;
const worstListed = 5;
const lorenzPoints = 200;

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
  const { seed = 1, resamples = 2000, metrics = workMetrics } = options;
  const observations = observe(result);
  const design = options.design ?? designOf(result, observations);
  const findings: Findings = {
    schemaVersion: 1,
    result: result.run.id,
    ...(result.environment.recording && { recording: result.environment.recording }),
    workload: {
      suite: result.run.suite,
      models: [...observations.models],
      cells: new Set(observations.cell).size,
      requests: observations.rows.length,
      failed: observations.failed,
      design,
      intervals: intervalWords[design],
      seed,
    },
    uniformity: {},
    notMeasured: {},
    plainToken: {},
    effectiveTokens: observations.cells.length > cellsListed ? null : {},
    components: [],
    stages: [],
    hiddenWork: {},
    waterfalls: [],
    experiments: experimentsOf(result, { design, seed }),
    ledger: checkLedger(result),
  };
  const columns = stageColumns(observations.rows);
  const components = componentsOf(columns.stages);
  const room = new Room();
  const context: Context = {
    result,
    observations,
    columns,
    components,
    room,
    weights: {},
    componentWeights: {},
    leading: byImportance(metrics).find((metric) => isStaged(observations, metric)) ?? null,
    drivers: new DriverAnalysis(factorsOf(observations)),
    reference: referenceCells(observations),
    options: { design, seed, resamples, parts: new CellParts(seed), room },
  };
  for (const metric of metrics) {
    const reason = room.within(() => addMetric(findings, metric, context));
    if (reason !== null) findings.notMeasured[metric] = reason;
  }
  findings.stages = stageEffects(observations, columns.stages, context.weights);
  findings.components = stageEffects(
    observations,
    components.map(({ column }) => column),
    context.componentWeights,
  );
  const [metric] = findings.stages.flatMap((stage) => stage.metric ?? []);
  if (metric !== undefined) {
    const visibility = new Map(findings.stages.map((stage) => [stage.name, stage.visibility]));
    findings.waterfalls = waterfallsOf(
      observations,
      columns,
      metric,
      findings.plainToken[metric]!,
      visibility,
    );
  }
  return findings;
}

/** What all metrics' findings share. */
interface Context {
  result: Result;
  observations: Observations;
  drivers: DriverAnalysis;
  reference: ReadonlySet<number>;
  columns: StageColumns;
  components: readonly Component[];
  /** Metrics take turns in it. */
  room: Room;
  /** Filled metric by metric. */
  weights: Partial<Record<WorkMetric, StageWeight[]>>;
  componentWeights: Partial<Record<WorkMetric, StageWeight[]>>;
  /** What the result is about. */
  leading: WorkMetric | null;
  options: UniformityOptions;
}

/** Adds one metric's findings; returns why there are none. */
function addMetric(findings: Findings, metric: WorkMetric, context: Context): string | null {
  const { result, observations, options, room } = context;
  const about = result.metrics[metric];
  const work = workColumn(observations, metric, room.numbers(observations.rows.length));
  const totals = totalsOf(observations, work, room);
  const total = sum(totals.work);
  if (totals.cell.length === 0) {
    if (observations.rows.length === 0) return 'no request succeeded';
    return about?.reason ?? 'no request measured it';
  }
  if (total === 0) return 'it is 0 for every request';

  const unit = about?.unit ?? '';
  const exact = about?.provenance === 'derived';
  const noiseOf = (own: CellTotals, values: Float64Array) =>
    estimateNoise(observations, own, values, room) ?? (exact ? noNoise(own) : null);
  const noise = noiseOf(totals, work);
  const plainToken = plainTokenOf(observations, context.reference, totals, noise, `${unit}/token`);
  findings.plainToken[metric] = plainToken;
  if (findings.effectiveTokens !== null) {
    findings.effectiveTokens[metric] = effectiveTokensOf(observations, totals, noise, plainToken);
  }
  const leading = metric === context.leading;
  const { columns, components } = context;
  const staged = stageFindings(metric, {
    observations,
    columns,
    components,
    work,
    plainToken,
    noiseOf,
    exact,
    leading,
    options,
    room,
  });
  if (staged !== null) {
    context.weights[metric] = staged.weights;
    context.componentWeights[metric] = staged.componentWeights;
    findings.hiddenWork[metric] = staged.hiddenWork;
  }
  const sample = sampleBuffer(totals, room).fill(totals.work);
  const of = uniformityStatistics(sample, noise, options);
  const drivers =
    of.misbilledShare.verdict === 'not distinguishable'
      ? 'work per token does not vary beyond noise'
      : context.drivers.driversOf(totals, sample, room);
  findings.uniformity[metric] = {
    unit,
    cells: totals.cell.length,
    requests: sum(totals.requests),
    noise: relativeNoise(noise),
    misbilledShare: of.misbilledShare,
    gini: of.gini,
    lorenz: lorenzCurve(sample.work, sample.bill, sample.order(), lorenzPoints),
    theil: of.theil,
    rSquared: { oneRate: of.oneRate, inputOutput: of.inputOutput, inputOutputFee: of.inputOutputFee },
    elasticity: of.elasticity,
    workPerToken: { cv: of.cv, p95OverP5: of.p95OverP5, maxOverMedian: of.maxOverMedian },
    tariffs: Object.fromEntries(
      Object.entries(fittedTariffs(sample, room)).map(([tariff, fitted]) => {
        const named = fitted?.prices.map(({ model, ...prices }) => ({
          model: observations.models[observations.modelOfCell[totals.cell[totals.model.indexOf(model)]!]!]!,
          ...prices,
        }));
        return [tariff, fitted && { prices: named, misbilledShare: fitted.misbilledShare }];
      }),
    ) as Uniformity['tariffs'],
    worstCells: worstCells(observations, totals, sample, noise, { count: worstListed, room }),
    drivers: typeof drivers === 'string' ? null : drivers.drivers,
    ...(typeof drivers === 'string' && { driversReason: drivers }),
    driversLeftOut: typeof drivers === 'string' ? [] : drivers.leftOut,
  };
  return null;
}

function isStaged({ rows }: Observations, metric: WorkMetric): boolean {
  return rows.some(({ stages }) => stages.some(({ work }) => (work[metric] ?? null) !== null));
}

function relativeNoise(noise: Noise | null): number | null {
  return noise === null ? null : Math.sqrt(Math.expm1(noise.sigma ** 2));
}

/** What the run says of itself; where it says nothing, cells that mostly hold one request are a trace's. */
function designOf({ run }: Result, { cell, cells }: Observations): Design {
  if (run.design !== undefined) return run.design;
  const requests = new Uint32Array(cells.length);
  for (const c of cell) requests[c]!++;
  const single = requests.filter((n) => n === 1).length;
  return single * 2 > requests.filter((n) => n > 0).length ? 'sampled' : 'fixed';
}
