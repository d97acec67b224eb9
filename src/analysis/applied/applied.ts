import { byImportance, metricOf, type WorkMetric, workMetricNames } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { normalSource } from '../../stats/normal.js';
import { median } from '../../stats/quantile.js';
import { createRandom } from '../../stats/random.js';
import { studentTCritical } from '../../stats/student-t.js';
import { tabled } from '../requests/table-builder.js';
import { BilledLog } from './billed-log.js';
import { type Coverage, coverageOf } from './coverage.js';
import type { LengthKind } from './length-kind.js';
import type { TallyBin } from './usage-tally.js';
import {
  comparableCells,
  fewestPoints,
  fitLaw,
  heldOut,
  type MeasuredPoint,
  pointsOf,
  predict,
  type WorkLaw,
} from './work-law.js';

interface Estimated {
  value: number;
  /** 95% interval. */
  low: number;
  high: number;
}

/** Measured work applied to a log, by one metric. None of it was measured of the log's own requests. */
export interface AppliedWork {
  provenance: 'estimated';
  unit: string;
  /** Share of a per-token bill of the covered requests that lands on the wrong ones. */
  misbilledShare: Estimated;
  /** All work of the covered requests, in the unit. */
  total: Estimated;
  /** Coefficients of the law, in the unit: per token read, per token written, per request, and per pair attended to. */
  law: { input: number; output: number; request: number; decodePair: number; prefillPair: number };
  /** The law against cells that it was not fitted to. */
  heldOut: {
    medianError: number;
    cells: { cell: string; measured: number; predicted: number | null }[];
  };
  /** Kinds of requests, those first that pay most beyond or below what they cost. */
  kinds: (LengthKind & {
    requests: number;
    /** Share of the bill, and what they pay ÷ what they cost. */
    billShare: number;
    pays: Estimated;
  })[];
}

/** A measured result applied to a log of usage. */
export interface Applied {
  model: string;
  /** The cells whose work is applied, and the pipeline that they go through. */
  cells: number;
  pipeline: string;
  coverage: Coverage;
  /** Why there are no estimates; null where there are. */
  reason: string | null;
  /** By metric, the nearest to money first; those measured of enough cells. */
  work: Partial<Record<WorkMetric, AppliedWork>>;
}

/** Applies what a result of one model measured to the requests of a log. */
export function applyToLog(result: Result, bins: readonly TallyBin[], { seed = 1 } = {}): Applied {
  const own = comparableCells(result.cells);
  const { table } = tabled(result, result.requests);
  const ids = new Set(own.map(({ id }) => id));
  const metrics = byImportance(
    workMetricNames().filter((name) => metricOf(name).addsUp.noTotal === null && metricOf(name).spent),
  );
  const all = metrics.map((metric) => ({ metric, points: pointsOf(table, ids, metric) }));
  const measured = all.filter(({ points }) => points.length >= fewestPoints);
  const [first] = measured;
  const head = {
    model: result.models[0]?.id ?? '',
    cells: own.length,
    pipeline: String(own[0]?.factors.pipeline ?? 'plain-chat'),
  };
  const points =
    first?.points ??
    all.reduce((most, { points: of }) => (of.length > most.length ? of : most), all[0]!.points);
  const { coverage, covered } = coverageOf(bins, points.length > 0 ? points : [nowhere]);
  const applied: Applied = { ...head, coverage, reason: null, work: {} };
  if (first === undefined)
    return {
      ...applied,
      reason: `its ${points.length} cells of comparable requests are fewer than the ${fewestPoints} that a law of work by tokens takes`,
    };
  if (covered.length === 0)
    return { ...applied, reason: 'no request of the log lies within the lengths that were measured' };
  for (const { metric, points: of } of measured) {
    // Of other cells than coverage goes by, lengths could lie outside.
    const cells = new Set(of.map(({ cell }) => cell));
    if (!first.points.every(({ cell }) => cells.has(cell))) continue;
    const work = appliedWork(of, covered, seed);
    if (work) applied.work[metric] = { ...work, unit: result.metrics[metric]?.unit ?? metricOf(metric).unit };
  }
  if (Object.keys(applied.work).length === 0)
    return { ...applied, reason: 'no law of work by tokens fits its cells' };
  return applied;
}

const nowhere: MeasuredPoint = { cell: '', prompt: 0, cached: 0, completion: 0, work: 0, noise: null };
const resamples = 200;

function appliedWork(
  points: readonly MeasuredPoint[],
  covered: readonly TallyBin[],
  seed: number,
): Omit<AppliedWork, 'unit'> | null {
  const law = fitLaw(
    points,
    points.map(({ work }) => work),
  );
  if (law === null) return null;
  const predicted = heldOut(points);
  const errors = lawErrors(points, law, predicted);
  const log = new BilledLog(covered, points);
  const own = log.weigh(law);
  const [random, t] = [createRandom(seed), studentTCritical(0.025, Math.max(1, points.length - used(law)))];
  const normal = normalSource(random);
  const shares: number[] = [];
  const totals: number[] = [];
  const pays: number[][] = own.pays.map(() => []);
  for (let k = 0; k < resamples; k++) {
    const drawn = points.map(
      (point, c) => predict(law, point) * Math.exp((random.uniform() < 0.5 ? -1 : 1) * errors.ofCells[c]!),
    );
    const misfit = points.map(() => (errors.misfit === 0 ? 0 : errors.misfit * normal()));
    const fitted = log.weigh(fitLaw(points, drawn) ?? law);
    const strayed = errors.misfit === 0 ? own : log.weigh(law, misfit);
    // The fit's error lies between truth and estimate as between estimate and resample; what the law misses is truth's own.
    shares.push(own.share - (fitted.share - own.share) + (strayed.share - own.share));
    totals.push(Math.log(fitted.total / own.total) + Math.log(strayed.total / own.total));
    for (const [kind, of] of pays.entries())
      of.push(
        Math.log(fitted.pays[kind]! / own.pays[kind]!) + Math.log(strayed.pays[kind]! / own.pays[kind]!),
      );
  }
  const centre = Math.min(1, Math.max(0, mean(shares)));
  const absolute = predicted.flatMap((value, c) =>
    Number.isNaN(value) ? [] : [Math.abs(value / points[c]!.work - 1)],
  );
  return {
    provenance: 'estimated',
    misbilledShare: shareAround(centre, t * deviation(shares)),
    total: factorAround(own.total, t * deviation(totals)),
    law: { input: law[0], output: law[1], request: law[2], decodePair: law[3], prefillPair: law[4] },
    heldOut: {
      medianError: median(absolute) ?? Number.NaN,
      cells: points.map(({ cell, work }, c) => ({
        cell,
        measured: work,
        predicted: Number.isNaN(predicted[c]) ? null : predicted[c]!,
      })),
    },
    kinds: log.kinds
      .map((kind, index) => ({ ...kind, pays: factorAround(own.pays[index]!, t * deviation(pays[index]!)) }))
      .sort((a, b) => moved(b) - moved(a)),
  };
}

/** Share of the bill by which a kind pays too much or too little. */
export function moved({ billShare, pays }: { billShare: number; pays: { value: number } }): number {
  return Math.abs(billShare - billShare / pays.value);
}

/**
 * The error of each cell, on the logarithm, as large as without leverage: the geometric mean of its residual and its
 * held-out one (the HC2 of MacKinnon & White 1985), drawn with either sign (wild bootstrap, Wu 1986). What is beyond the
 * noise between a cell's requests is of the law, which then strays as much of each region that has a nearest cell.
 */
function lawErrors(
  points: readonly MeasuredPoint[],
  law: WorkLaw,
  predicted: readonly number[],
): { ofCells: number[]; misfit: number } {
  const squares = points.map((point, c) => {
    const residual = Math.log(point.work / predict(law, point));
    const out = Math.log(point.work / predicted[c]!);
    return Number.isFinite(out) ? Math.abs(residual * out) : residual ** 2;
  });
  const noise = points.map((point) => point.noise ?? 0);
  const beyond = mean(squares) - mean(noise);
  // What rounding leaves of a law that holds exactly is no misfit.
  const misfit = beyond > 1e-12 ? Math.sqrt(beyond) : 0;
  return { ofCells: squares.map(Math.sqrt), misfit };
}

const used = (law: WorkLaw) => law.filter((coefficient) => coefficient > 0).length;

/** On the logarithm, as a share has no upper end of its own and skews; linear where it is 0. */
function shareAround(centre: number, reach: number): Estimated {
  if (centre <= 0) return { value: 0, low: 0, high: Math.min(1, reach) };
  const factor = Math.exp(reach / centre);
  return { value: centre, low: centre / factor, high: Math.min(1, centre * factor) };
}

function factorAround(value: number, reach: number): Estimated {
  return { value, low: value * Math.exp(-reach), high: value * Math.exp(reach) };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}
