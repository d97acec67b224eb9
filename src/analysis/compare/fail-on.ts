import { closest } from 'fastest-levenshtein';
import { TokenworkError } from '../../core/errors.js';
import { findMetric, metrics } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { verdictRepetitions } from '../../core/verdict.js';
import type { Comparison } from './compare.js';
import { isChange } from './verdicts.js';

/** `cpuTime>5%`: a regression that is not to pass. */
export interface Threshold {
  metric: string;
  /** Share by which the candidate may exceed the baseline: 0.05. */
  above: number;
}

/** A regression that is significant and larger than a threshold allows. */
export interface Crossing {
  threshold: Threshold;
  /** `null`: the geometric mean over all cells. */
  cell: string | null;
  ratio: number;
}

/** Reads `METRIC>PERCENT%`. Throws TokenworkError `bad-threshold`. */
export function parseThreshold(text: string): Threshold {
  const [, metric, percent] = /^\s*(\w+)\s*>\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(text) ?? [];
  if (metric === undefined || percent === undefined) {
    throw new TokenworkError(
      'bad-threshold',
      `"${text}" is no threshold.`,
      'Write a metric, > and a percentage, in quotes: "cpuTime>5%".',
    );
  }
  if (findMetric(metric) === undefined) {
    const names = metrics.map(({ name }) => name as string);
    throw new TokenworkError(
      'bad-threshold',
      `No metric is called "${metric}".`,
      `Did you mean "${closest(metric, names)}"? There are: ${names.join(', ')}.`,
    );
  }
  return { metric, above: Number(percent) / 100 };
}

/**
 * Throws TokenworkError `threshold-untestable` where no row of a threshold's metric bears a verdict: a check
 * that cannot fail is none.
 */
export function refuseUntestable(
  { cells, geomean, warnings }: Comparison,
  thresholds: readonly Threshold[],
): void {
  for (const { metric } of thresholds) {
    const rows = cells.filter((row) => row.metric === metric);
    const judged =
      rows.some(({ verdict }) => verdict !== null) || (geomean[metric]?.verdict ?? null) !== null;
    if (judged) continue;
    const busy = warnings.find(({ code }) => code === 'measured-busy');
    if (rows.length > 0 && busy !== undefined) {
      throw new TokenworkError(
        'threshold-untestable',
        `A threshold on ${metric} cannot be tested. ${busy.message}`,
        busy.hint,
      );
    }
    throw rows.length === 0
      ? new TokenworkError(
          'threshold-untestable',
          `A threshold on ${metric} cannot be tested: the results have not both measured it.`,
          'Leave it out, or measure both sides where `tokenwork doctor` says that it can be.',
        )
      : new TokenworkError(
          'threshold-untestable',
          `A threshold on ${metric} cannot be tested: with fewer than ${verdictRepetitions} repetitions of a cell there is no verdict.`,
          `Run both sides with --repetitions ${verdictRepetitions} or more.`,
        );
  }
}

/** Throws TokenworkError `threshold-untestable` where so many runs like these will hold too few repetitions for a verdict. */
export function refuseTooFew(firstOfEach: readonly Result[], runs: number): void {
  const fewest = Math.min(...firstOfEach.map(mostRepetitions));
  if (fewest * runs >= verdictRepetitions) return;
  const needed = Math.ceil(verdictRepetitions / runs);
  throw new TokenworkError(
    'threshold-untestable',
    `No threshold can be tested: ${runs} runs of ${fewest} repetitions are fewer than the ${verdictRepetitions} that a verdict takes.`,
    `Run both sides with --repetitions ${needed} or more, or add --rounds.`,
  );
}

/** In a trace, requests of one cell are its repetitions. */
function mostRepetitions({ run, requests }: Result): number {
  const counts = new Map<string, number>();
  for (const { cell } of requests) counts.set(cell, (counts.get(cell) ?? 0) + 1);
  return Math.max(run.repetitions, ...counts.values());
}

/** The rows and geometric means that took more, which takes significance, and by more than allowed. */
export function crossings({ cells, geomean }: Comparison, thresholds: readonly Threshold[]): Crossing[] {
  return thresholds.flatMap((threshold) => {
    const mean = geomean[threshold.metric];
    const rows = [
      ...(mean === undefined ? [] : [{ cell: null, ...mean }]),
      ...cells.filter(({ metric }) => metric === threshold.metric),
    ];
    return rows.flatMap(({ cell, ratio, verdict }) =>
      isChange({ metric: threshold.metric, verdict }, 'more') && ratio !== null && ratio > 1 + threshold.above
        ? [{ threshold, cell, ratio }]
        : [],
    );
  });
}
