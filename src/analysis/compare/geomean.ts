import { verdictRepetitions, worthNaming } from '../../core/verdict.js';
import { normal95 } from '../../stats/normal.js';
import { createRandom, type Random } from '../../stats/random.js';
import { studentTCritical, studentTUpperTail } from '../../stats/student-t.js';
import type { RequestTable } from '../requests/request-table.js';
import { attributionByCell, type ComparedCell } from './cells.js';
import type { Undrifted } from './drift.js';
import { type ComparedMetric, type ComparisonVerdict, significance } from './verdicts.js';

/** A metric over all cells at once. */
export interface GeometricMean {
  /** Geometric mean of the cells' ratios of medians. */
  ratio: number;
  cells: number;
  /** 95%; `null` with fewer than two rounds on a side. */
  low: number | null;
  high: number | null;
  pValue: number | null;
  verdict: ComparisonVerdict | null;
}

/**
 * The geometric mean of a metric's ratios. Cells of one round share the machine's drift, so the rounds are
 * the table: a Welch t interval, with the error of the medians from a bootstrap of whole rounds.
 * What drifts between runs no repetition within them can show: its error adds in quadrature. So does that of
 * attribution, in full, as cells may err together.
 */
export function geometricMean(
  { baseline, candidate, reach }: Undrifted,
  metric: ComparedMetric,
  rows: readonly ComparedCell[],
  seed: number,
): GeometricMean | null {
  const logs = rows.flatMap(({ ratio }) => (ratio !== null && ratio > 0 ? [Math.log(ratio)] : []));
  if (logs.length === 0) return null;
  const centre = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  const mean = { ratio: Math.exp(centre), cells: logs.length };
  const random = createRandom(seed);
  const [before, after] = [errorOfRounds(baseline, metric, random), errorOfRounds(candidate, metric, random)];
  if (before === null || after === null)
    return { ...mean, low: null, high: null, pValue: null, verdict: null };

  const errors = attributionByCell([baseline, candidate], metric.name);
  const attributed =
    rows.reduce(
      (sum, { cell, ratio }) => sum + (ratio !== null && ratio > 0 ? (errors.get(cell) ?? 0) : 0),
      0,
    ) / logs.length;
  const squared = before.squaredError + after.squaredError;
  const rounds = Math.min(before.rounds, after.rounds);
  if (squared < 1e-24 && attributed === 0) {
    const verdict = judge(
      metric,
      mean.ratio,
      { low: mean.ratio, high: mean.ratio },
      metric.derived ? verdictRepetitions : rounds,
    );
    return { ...mean, low: mean.ratio, high: mean.ratio, pValue: Math.abs(centre) < 1e-12 ? 1 : 0, verdict };
  }
  // Beside attribution, whose size is known, equal figures have any number of degrees of freedom.
  const df =
    squared < 1e-24
      ? before.rounds + after.rounds - 2
      : squared ** 2 /
        (before.squaredError ** 2 / (before.rounds - 1) + after.squaredError ** 2 / (after.rounds - 1));
  const error = Math.hypot(
    Math.sqrt(squared),
    reach / studentTCritical(significance / 2, df),
    (normal95 * attributed) / studentTCritical(significance / 2, df),
  );
  const interval = (tail: number) => {
    const reach = studentTCritical(tail, df) * error;
    return [Math.exp(centre - reach), Math.exp(centre + reach)] as const;
  };
  const [low, high] = interval(significance / 2);
  // Equivalence at 5% is the 90% interval within the margin (two one-sided tests).
  const [narrowLow, narrowHigh] = interval(significance);
  const changed = judge(metric, mean.ratio, { low, high }, rounds);
  const same = narrowLow > 1 / (1 + worthNaming) && narrowHigh < 1 + worthNaming;
  return {
    ...mean,
    low,
    high,
    pValue: 2 * studentTUpperTail(Math.abs(centre) / error, df),
    verdict: changed === '~' && same ? 'same' : changed,
  };
}

function judge(
  { words }: ComparedMetric,
  ratio: number,
  { low, high }: { low: number; high: number },
  rounds: number,
): ComparisonVerdict | null {
  if (rounds < verdictRepetitions) return null;
  const beyond = Math.abs(ratio - 1) > worthNaming;
  if (beyond && low > 1) return words.more;
  if (beyond && high < 1) return words.less;
  return low === high ? 'same' : '~';
}

/** Numbers that a bootstrap may look at per metric and side: about a tenth of a second. */
const lookBudget = 5_000_000;
const [fewestResamples, mostResamples] = [100, 400];

/**
 * The squared standard error of a run's mean log median, from how much its rounds differ: whole rounds are
 * drawn with replacement, and every cell's median is taken anew. Resampled medians of few rounds spread
 * somewhat too far, which makes up for rounds that spread as n − 1 would; compare.test.ts has the coverage.
 */
function errorOfRounds(
  table: RequestTable,
  metric: ComparedMetric,
  random: Random,
): { squaredError: number; rounds: number } | null {
  const { rounds, cells } = sortedByCell(table, metric);
  const size = cells.reduce((sum, { values }) => sum + values.length, 0);
  const seen = new Set(cells.flatMap((cell) => [...cell.round])).size;
  if (seen < 2) return null;
  if (cells.every(({ values }) => values.at(0) === values.at(-1))) return { squaredError: 0, rounds: seen };
  const resamples = Math.max(fewestResamples, Math.min(mostResamples, Math.floor(lookBudget / size)));
  const copies = new Uint32Array(rounds);
  const means = Float64Array.from({ length: resamples }, () => {
    copies.fill(0);
    for (let drawn = 0; drawn < rounds; drawn++) copies[random.below(rounds)]!++;
    return meanMedian(cells, copies);
  });
  const centre = means.reduce((sum, mean) => sum + mean, 0) / resamples;
  const variance = means.reduce((sum, mean) => sum + (mean - centre) ** 2, 0) / (resamples - 1);
  return { squaredError: variance, rounds: seen };
}

/** A cell's log figures in rising order, and the round that each was measured in. */
interface SortedCell {
  values: Float64Array;
  round: Uint32Array;
}

function sortedByCell(
  { cell, round, rounds, cells, metrics }: RequestTable,
  metric: ComparedMetric,
): { rounds: number; cells: SortedCell[] } {
  const values = metrics[metric.name];
  const byCell: { value: number; round: number }[][] = cells.map(() => []);
  for (let i = 0; i < cell.length; i++) {
    const value = values[i]!;
    if (value > 0) byCell[cell[i]!]!.push({ value: Math.log(value), round: round[i]! });
  }
  const measured = byCell.filter((values) => values.length > 0);
  return {
    rounds,
    cells: measured.map((values) => {
      values.sort((a, b) => a.value - b.value);
      return {
        values: Float64Array.from(values, ({ value }) => value),
        round: Uint32Array.from(values, (entry) => entry.round),
      };
    }),
  };
}

/** The mean over cells of their medians, each value counting as often as its round was drawn. */
function meanMedian(cells: readonly SortedCell[], copies: Uint32Array): number {
  let [sum, count] = [0, 0];
  for (const { values, round } of cells) {
    let total = 0;
    for (let k = 0; k < round.length; k++) total += copies[round[k]!]!;
    // A cell that no drawn round measured says nothing in this resample.
    if (total === 0) continue;
    sum +=
      (nthDrawn(values, round, copies, (total + 1) >> 1) +
        nthDrawn(values, round, copies, (total >> 1) + 1)) /
      2;
    count++;
  }
  return sum / Math.max(1, count);
}

function nthDrawn(values: Float64Array, round: Uint32Array, copies: Uint32Array, n: number): number {
  let at = 0;
  let passed = copies[round[0]!]!;
  while (passed < n) passed += copies[round[++at]!]!;
  return values[at]!;
}
