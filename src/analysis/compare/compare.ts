import type { Warning } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { type WorkMetric, workMetricNames } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { smallestPValue } from '../../stats/mann-whitney.js';
import { deriveSeed } from '../../stats/random.js';
import { tableOf } from '../requests/table-builder.js';
import {
  type ComparedCell,
  compareCells,
  comparedMetrics,
  fewestRepetitions,
  significance,
} from './cells.js';
import {
  type CeilingRatios,
  type ConfigurationDifference,
  ceilingRatios,
  configurationDifferences,
} from './configuration.js';
import { type GeometricMean, geometricMean } from './geomean.js';
import { compareShape, type ShapeComparison } from './shape.js';
import { matchWorkloads } from './workloads.js';

/** The changes between two results; `tokenwork diff A B --json` prints them. */
export interface Comparison {
  schemaVersion: 2;
  /** The runs' ids. */
  baseline: string;
  candidate: string;
  configuration: ConfigurationDifference[];
  cells: ComparedCell[];
  /** By metric, in the order of `cells`. */
  geomean: Record<string, GeometricMean>;
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

const method =
  'Ratio of medians, candidate over baseline, with a 95% bootstrap interval. faster or slower, of amounts less or more: Mann–Whitney at 5%, adjusted over the cells of a metric (Benjamini–Hochberg), beyond 1%, and an interval without 1. same: shown within 1% by two one-sided tests at 5%. ~: neither could be shown.';

/**
 * Compares every candidate with the baseline, cell by cell and metric by metric.
 *
 * @param baseline the result to hold the others against
 * @param candidates results of the same workload, of this machine or of others
 * @param options `force` compares what different workloads have in common; `seed` is of the bootstrap
 * @returns one comparison for each candidate: ratios of medians, candidate over baseline, with 95% intervals
 * @throws TokenworkError `different-workloads` (unless forced) or `nothing-in-common`
 * @example
 * ```js
 * const [comparison] = compareResults(before, [after]);
 * console.log(comparison.geomean.cpuTime.ratio);
 * ```
 */
export function compareResults(
  baseline: Result,
  candidates: readonly Result[],
  options: CompareOptions = {},
): Comparison[] {
  return candidates.map((candidate) => compare(baseline, candidate, options));
}

function compare(
  baseline: Result,
  candidate: Result,
  { force = false, seed = 1 }: CompareOptions,
): Comparison {
  const matched = matchWorkloads(baseline, candidate, force);
  const [before, after] = [matched.baseline, matched.candidate];
  const [tableBefore, tableAfter] = [tableOf(before), tableOf(after)];
  const cells: ComparedCell[] = [];
  const noisy: ComparedCell[] = [];
  const geomean: Record<string, GeometricMean> = {};
  for (const [index, metric] of comparedMetrics(before, after).entries()) {
    const rows = compareCells(tableBefore, tableAfter, metric, deriveSeed(seed, index));
    const mean = geometricMean(tableBefore, tableAfter, metric, rows, deriveSeed(seed + 1, index));
    cells.push(...rows);
    if (!metric.derived) noisy.push(...rows);
    if (mean !== null) geomean[metric.name] = mean;
  }
  if (cells.length === 0) {
    throw new TokenworkError(
      'nothing-in-common',
      'No cell was measured by both results.',
      'Their requests failed on one side or the other; `tokenwork report` gives the reasons.',
    );
  }
  const shape: Comparison['shape'] = {};
  for (const metric of workMetricNames()) {
    const compared = compareShape(tableBefore, tableAfter, metric);
    if (compared !== null) shape[metric] = compared;
  }
  return {
    schemaVersion: 2,
    baseline: baseline.run.id,
    candidate: candidate.run.id,
    configuration: configurationDifferences(baseline, candidate),
    cells,
    geomean,
    ceilings: ceilingRatios(baseline.hardware.ceilings, candidate.hardware.ceilings),
    shape,
    method,
    warnings: [...leftOutWarning(matched.leftOut), ...powerWarnings(noisy)],
  };
}

function leftOutWarning({
  onlyBaseline,
  onlyCandidate,
}: {
  onlyBaseline: string[];
  onlyCandidate: string[];
}): Warning[] {
  const count = onlyBaseline.length + onlyCandidate.length;
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
  let needed = fewestRepetitions;
  while (smallestPValue(needed, needed) * cells > significance) needed++;
  // Metrics that are not measured in every repetition have fewer than others.
  const byFewest = new Map<number, string[]>();
  for (const [metric, own] of byMetric) {
    const fewest = Math.min(...own.flatMap(({ repetitions }) => repetitions));
    if (fewest < needed) byFewest.set(fewest, [...(byFewest.get(fewest) ?? []), metric]);
  }
  return [...byFewest].map(([fewest, metrics]) => {
    const problem =
      fewest < fewestRepetitions
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
