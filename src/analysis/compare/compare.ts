import type { Warning } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { findMetric, metricOf, type WorkMetric, workMetricNames } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { verdictRepetitions } from '../../core/verdict.js';
import { smallestPValue } from '../../stats/mann-whitney.js';
import { deriveSeed } from '../../stats/random.js';
import { disturbanceOf } from './busy.js';
import { type ComparedCell, compareCells } from './cells.js';
import {
  type CeilingRatios,
  type ConfigurationDifference,
  ceilingRatios,
  configurationDifferences,
} from './configuration.js';
import { withoutDrift } from './drift.js';
import { type GeometricMean, geometricMean } from './geomean.js';
import { compareShape, type ShapeComparison } from './shape.js';
import { refuseMixedSide, type Side, sideOf, tookTurns } from './sides.js';
import { comparedMetrics, significance } from './verdicts.js';
import { matchWorkloads } from './workloads.js';

/** The changes between two results; `tokenwork diff A B --json` prints them. */
export interface Comparison {
  schemaVersion: 2;
  /** The ids of the first run of each side, and of all where a side has several. */
  baseline: string;
  candidate: string;
  runs?: { baseline: string[]; candidate: string[] };
  configuration: ConfigurationDifference[];
  cells: ComparedCell[];
  /** By metric, in the order of `cells`. */
  geomean: Record<string, GeometricMean>;
  /** By metric that was measured: the 95% half-width of the logarithm of a ratio by drift between runs; in `geomean` and `cells`. */
  drift: Record<string, number>;
  ceilings: CeilingRatios;
  shape: Partial<Record<WorkMetric, ShapeComparison>>;
  /** How verdicts were reached, in words. */
  method: string;
  warnings: Warning[];
}

/** How results are compared. */
export interface CompareOptions {
  /** Compare the common cells of different workloads. */
  force?: boolean;
  /** Seed of the bootstrap; 1 by default. */
  seed?: number;
}

const verdicts =
  'faster or slower, of amounts less or more: Mann–Whitney at 5%, adjusted over the cells of a metric (Benjamini–Hochberg), beyond 1%, and an interval without 1. same: shown within 1% by two one-sided tests at 5%. ~: neither could be shown.';
const ratioOf = 'Ratio of medians, candidate over baseline, with a 95% interval: bootstrap, and drift';
const estimated = 'which was estimated from runs in turn, all cells together, and taken out of the medians';
const method = {
  once: `${ratioOf} of the size that is seen within the runs. ${verdicts}`,
  inTurn: `${ratioOf}, ${estimated}. ${verdicts}`,
  busy: `${ratioOf}, ${estimated}; at least what runs of one side differ by. ${verdicts}`,
};

/** One side of a comparison: a run, or several of one kind. */
export type ComparedSide = Result | readonly Result[];

/**
 * Compares every candidate with the baseline, cell by cell and metric by metric.
 *
 * @param baseline the result to hold the others against, or several of one kind, measured in turn with a candidate's
 * @param candidates results of the same workload, of this machine or of others; each one or several
 * @param options `force` compares what different workloads have in common; `seed` is of the bootstrap
 * @returns one comparison for each candidate: ratios of medians, candidate over baseline, with 95% intervals
 * @throws TokenworkError `different-workloads` (unless forced), `side-differs` or `nothing-in-common`
 * @example
 * ```js
 * const [comparison] = compareResults(before, [after]);
 * console.log(comparison.geomean.cpuTime.ratio);
 * ```
 */
export function compareResults(
  baseline: ComparedSide,
  candidates: readonly ComparedSide[],
  options: CompareOptions = {},
): Comparison[] {
  return candidates.map((candidate) => compare(runsOf(baseline), runsOf(candidate), options));
}

function runsOf(side: ComparedSide): readonly Result[] {
  return Array.isArray(side) ? (side as readonly Result[]) : [side as Result];
}

function compare(
  baselines: readonly Result[],
  candidates: readonly Result[],
  { force = false, seed = 1 }: CompareOptions,
): Comparison {
  for (const runs of [baselines, candidates]) refuseMixedSide(runs);
  const matched = matchWorkloads(baselines, candidates, force);
  const [before, after] = [sideOf(matched.baselines), sideOf(matched.candidates)];
  const inTurn = tookTurns(before, after);
  const disturbance = disturbanceOf({ baseline: baselines, candidate: candidates }, inTurn);
  const busy = disturbance.verdicts === 'wider';
  const cells: ComparedCell[] = [];
  const noisy: ComparedCell[] = [];
  const geomean: Record<string, GeometricMean> = {};
  const drift: Record<string, number> = {};
  for (const [index, metric] of comparedMetrics([...baselines, ...candidates]).entries()) {
    const undrifted = withoutDrift(before, after, metric, { inTurn, busy });
    const rows = compareCells(undrifted, metric, deriveSeed(seed, index));
    const mean = geometricMean(undrifted, metric, rows, deriveSeed(seed + 1, index));
    const unjudged = disturbance.verdicts === 'withheld' && !metric.derived;
    cells.push(...(unjudged ? rows.map((row) => ({ ...row, verdict: null })) : rows));
    if (!metric.derived) noisy.push(...rows);
    if (mean === null) continue;
    geomean[metric.name] = unjudged ? { ...mean, verdict: null } : mean;
    if (!metric.derived) drift[metric.name] = undrifted.reach;
  }
  if (cells.length === 0) {
    throw new TokenworkError(
      'nothing-in-common',
      'No cell was measured by both results.',
      'Their requests failed on one side or the other; `tokenwork report` gives the reasons.',
    );
  }
  const [baseline, candidate] = [baselines[0]!, candidates[0]!];
  return {
    schemaVersion: 2,
    baseline: baseline.run.id,
    candidate: candidate.run.id,
    ...(baselines.length + candidates.length > 2 && {
      runs: { baseline: baselines.map(({ run }) => run.id), candidate: candidates.map(({ run }) => run.id) },
    }),
    configuration: configurationDifferences(baseline, candidate),
    cells,
    geomean,
    drift,
    ceilings: ceilingRatios(baseline.hardware.ceilings, candidate.hardware.ceilings),
    shape: shapeOf(before, after),
    method: busy ? method.busy : inTurn ? method.inTurn : method.once,
    warnings: [
      ...disturbance.warnings,
      ...attributionWarning([before, after]),
      ...(inTurn ? [] : [notInTurn]),
      ...leftOutWarning(matched.leftOut.length),
      ...powerWarnings(noisy),
    ],
  };
}

function shapeOf(before: Side, after: Side): Comparison['shape'] {
  const shape: Comparison['shape'] = {};
  for (const metric of workMetricNames().filter((name) => metricOf(name).addsUp.noTotal === null)) {
    const compared = compareShape(before.table, after.table, metric);
    if (compared !== null) shape[metric] = compared;
  }
  return shape;
}

function attributionWarning(sides: readonly Side[]): Warning[] {
  const metrics = new Set(sides.flatMap(({ table }) => Object.keys(table.attributionErrors)));
  if (metrics.size === 0) return [];
  return [
    {
      code: 'attribution-compared',
      message: `The ${[...metrics].map((name) => findMetric(name)?.label ?? name).join(' and ')} of requests was shared among those in flight, and a ratio cannot be surer than their intervals: its own has them in it.`,
      hint: 'With one request at a time (--concurrency 1) nothing is shared.',
    },
  ];
}

const notInTurn: Warning = {
  code: 'drift-not-covered',
  message:
    'The sides were not run in turn: drift of the machine between them is covered as far as it is seen within the runs, and no further.',
  hint: 'Run them in turn, several times each, and compare them all: tokenwork diff --run COMMAND COMMAND.',
};

function leftOutWarning(count: number): Warning[] {
  if (count === 0) return [];
  return [
    {
      code: 'cells-left-out',
      message: `${count} ${count === 1 ? 'cell was' : 'cells were'} run by one side only and left out.`,
      hint: 'Run the same suite on both to compare them all.',
    },
  ];
}

/** Few repetitions over many cells cannot show that a single cell changed: say so, and what would. */
function powerWarnings(rows: readonly ComparedCell[]): Warning[] {
  const byMetric = new Map<string, ComparedCell[]>();
  for (const row of rows) byMetric.set(row.metric, [...(byMetric.get(row.metric) ?? []), row]);
  const cells = Math.max(...[...byMetric.values()].map((own) => own.length));
  let needed = verdictRepetitions;
  while (smallestPValue(needed, needed) * cells > significance) needed++;
  // Metrics that are not measured in every repetition have fewer than others.
  const byFewest = new Map<number, string[]>();
  for (const [metric, own] of byMetric) {
    const fewest = Math.min(...own.flatMap(({ repetitions }) => repetitions));
    if (fewest < needed) byFewest.set(fewest, [...(byFewest.get(fewest) ?? []), metric]);
  }
  return [...byFewest].map(([fewest, metrics]) => {
    const problem =
      fewest < verdictRepetitions
        ? 'too few for a verdict'
        : `too few to show that one of ${cells} cells changed alone`;
    const of = metrics.length === byMetric.size ? '' : ` of ${metrics.join(', ')}`;
    return {
      code: 'few-repetitions',
      message: `A cell has only ${fewest} ${fewest === 1 ? 'repetition' : 'repetitions'}${of}, ${problem}.`,
      hint: `Run both sides with --repetitions ${needed} or more.`,
    };
  });
}
