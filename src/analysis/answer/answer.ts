/**
 * answer/: what the first screen of a result says, as data: whose requests they were, whether tokens track
 * their work, how fast and how dear they were, which cells pay too much and too little, what would mend it.
 */

import type { WorkMetric } from '../../core/metrics.js';
import type { ModelRecord } from '../../core/records/model.js';
import type { Cell, Result } from '../../core/result.js';
import { verdictRepetitions, worthNaming } from '../../core/verdict.js';
import { type Findings, leadingMetric } from '../findings.js';
import type { Statistic } from '../statistic.js';
import type { Driver } from '../uniformity/drivers.js';
import { canBeAsked, type Prices } from '../uniformity/tariff.js';
import type { Tariff } from '../uniformity/tariff-fit.js';
import type { CrossSubsidy } from '../uniformity/worst-cells.js';
import { type Cost, costsOf } from './costs.js';
import { type Speed, speedOf } from './speed.js';

/** What a result says first. */
export interface Answer {
  /** The models that the requests ask, as they name them; not those of a pipeline's stages. */
  models: AnsweredModel[];
  /** Models that stages of a pipeline ran beside them: a classifier, an embedder, a draft. */
  helpers: { id: string; roles: string[] }[];
  /** Null: not known, as of a result that was imported. */
  machine: { cpu: string; logicalCores: number | null; memoryBytes: number | null; gpus: string[] };
  /** ISO 8601. */
  startedAt: string;
  suite: string;
  requests: number;
  cells: number;
  /** The metric that the answer is told by; `null` where no work was measured. */
  metric: WorkMetric | null;
  /** Share of a per-token bill that lands on the wrong requests, by that metric. */
  misbilledShare: Statistic | null;
  /** The one or two factors that explain most of how its work per token varies; none where none do. */
  drivers: string[];
  /** The cell that pays most above its cost, and the one most below; `null` where noise leaves it open. */
  overpays: NamedSubsidy | null;
  underpays: NamedSubsidy | null;
  /** The simplest price list that would mend it; `null` where nothing is to be mended or none would. */
  mend: Mend | null;
  next: NextStep[];
}

export interface AnsweredModel {
  id: string;
  record: ModelRecord;
  speed: Speed;
  costs: Cost[];
}

/** A cell with what it pays, and the cell itself to be put into words. */
export interface NamedSubsidy extends CrossSubsidy {
  of: Cell;
}

/** A fitted price list, and what it leaves misbilled as fitted, noise included. */
export interface Mend {
  tariff: Exclude<Tariff, 'oneRate'>;
  prices: (Omit<Prices, 'model'> & { model: string })[];
  unit: string;
  misbilledShare: number;
}

/**
 * What would say more: a complete run, a quiet machine, as many repetitions as a verdict needs, all cells of
 * the suite, or trained weights in place of random ones.
 */
export type NextStep = 'resume' | 'quiet-machine' | 'repeat' | 'real-model';

/** Draws the first screen of a result from it and its findings. */
export function answerOf(result: Result, findings: Findings): Answer {
  const { run, hardware, cells } = result;
  const asked = new Set(cells.map(({ model }) => model));
  const metric = leadingMetric(findings);
  const uniformity = metric === null ? null : findings.uniformity[metric]!;
  const nonUniform = uniformity?.misbilledShare.verdict === 'non-uniform';
  // What is not worth naming has no one to be named, either; where noise is not known, the cells still differ.
  const told = nonUniform || uniformity?.misbilledShare.verdict === null;
  const named = (subsidy: CrossSubsidy | null | undefined) =>
    subsidy && told ? { ...subsidy, of: cells.find(({ id }) => id === subsidy.cell)! } : null;
  return {
    models: result.models
      .filter(({ id }) => asked.has(id))
      .map((record) => ({
        id: record.id,
        record,
        speed: speedOf(result, record.id),
        costs: costsOf(result, record.id),
      })),
    helpers: result.models.flatMap(({ id, roles = [] }) => (asked.has(id) ? [] : [{ id, roles }])),
    machine: {
      cpu: hardware.cpu.brand,
      logicalCores: hardware.cpu.logicalCores,
      memoryBytes: hardware.memoryBytes,
      gpus: hardware.gpus.map(({ model }) => model),
    },
    startedAt: run.startedAt,
    suite: run.suite,
    requests: findings.workload.requests,
    cells: findings.workload.cells,
    metric,
    misbilledShare: uniformity?.misbilledShare ?? null,
    drivers: nonUniform ? mainDrivers(uniformity.drivers) : [],
    overpays: named(uniformity?.extremes.overpays),
    underpays: named(uniformity?.extremes.underpays),
    mend: nonUniform ? mendOf(uniformity) : null,
    next: nextSteps(result),
  };
}

/** The one factor, or the two, that explain at least half of the variance; none where it takes more. */
export function mainDrivers(drivers: readonly Driver[] | null): string[] {
  const [first, second] = drivers?.filter(({ factor }) => factor !== 'unexplained') ?? [];
  if (first === undefined) return [];
  if (first.share >= 0.5) return [first.factor];
  return second !== undefined && first.share + second.share >= 0.5 ? [first.factor, second.factor] : [];
}

/**
 * The price list with the fewest prices that no model gets a negative price by, and that leaves at most half
 * of what one price per token leaves, and less by a share worth naming.
 */
function mendOf({ tariffs, unit }: NonNullable<Findings['uniformity'][WorkMetric]>): Mend | null {
  const { oneRate } = tariffs;
  if (oneRate === null) return null;
  for (const tariff of ['inputOutput', 'inputOutputFee'] as const) {
    const fitted = tariffs[tariff];
    if (fitted === null) continue;
    const { prices, misbilledShare } = fitted;
    const mends =
      misbilledShare <= oneRate.misbilledShare / 2 && oneRate.misbilledShare - misbilledShare >= worthNaming;
    if (prices.every(canBeAsked) && mends) return { tariff, prices, unit, misbilledShare };
  }
  return null;
}

const disturbed = new Set(['busy-neighbours', 'throttled']);

function nextSteps({ run, models, cells, warnings }: Result): NextStep[] {
  const asked = new Set(cells.map(({ model }) => model));
  const steps: Record<NextStep, boolean> = {
    resume: !run.complete,
    'quiet-machine': warnings.some(({ code }) => disturbed.has(code)),
    repeat: run.design !== 'sampled' && run.repetitions < verdictRepetitions,
    'real-model': models.every(({ id, source }) => !asked.has(id) || source === 'synthesised'),
  };
  return (Object.keys(steps) as NextStep[]).filter((step) => steps[step]);
}
