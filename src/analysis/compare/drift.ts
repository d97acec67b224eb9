import { verdictRepetitions } from '../../core/verdict.js';
import { median } from '../../stats/quantile.js';
import { studentTCritical } from '../../stats/student-t.js';
import type { RequestTable } from '../requests/request-table.js';
import { estimateDrift } from './drift-model.js';
import type { Side } from './sides.js';
import { type ComparedMetric, significance } from './verdicts.js';

/** Both sides' tables with drift taken out of one metric, and what drift may still have done to their ratio. */
export interface Undrifted {
  baseline: RequestTable;
  candidate: RequestTable;
  /** 95% and 90% half-widths of the logarithm of a ratio by drift alone. */
  reach: number;
  narrowReach: number;
}

/** Rounds that drift is estimated from; of more, neighbours are taken together. */
const mostRounds = 48;
const fewestRounds = 2 * verdictRepetitions;
/** A run at a crest and one in a trough differ by up to twice what each drifted within itself. */
const beyondSeen = 2;
/** The size of drift is itself estimated, from few alternations; by simulation of forms that the model does not hold. */
const ofEstimate = 1.15;

/**
 * Estimates how the machine's pace drifted in a metric: over all cells together, as they take turns within each round.
 * Where the sides took turns, drift is taken out. Where they did not it can't be told from a change, so the ratio
 * stays, and bears what drift of the kind that is seen within the runs may do from one to the other. Of a busy machine
 * it bears no less than runs of one side differ by: neighbours come and go between runs, which no slow drift describes.
 */
export function withoutDrift(
  baseline: Side,
  candidate: Side,
  metric: ComparedMetric,
  { inTurn, busy }: { inTurn: boolean; busy: boolean },
): Undrifted {
  const untouched = { baseline: baseline.table, candidate: candidate.table, reach: 0, narrowReach: 0 };
  if (metric.derived) return untouched;
  const [before, after] = [pacesOf(baseline, metric), pacesOf(candidate, metric)];
  const rounds = [
    ...before.map((own) => ({ ...own, candidate: false })),
    ...after.map((own) => ({ ...own, candidate: true })),
  ].sort((a, b) => a.at - b.at);
  const paces = rounds.map(({ logPace }) => logPace);
  if (before.length < 2 || after.length < 2 || rounds.length < fewestRounds) return untouched;
  if (Math.max(...paces) - Math.min(...paces) < 1e-12) return untouched;
  const started = rounds.map(({ at }) => at);
  // Rows without times of their own are in order of time all the same.
  const at = started[0] === started.at(-1) ? started.map((_, k) => k) : started;
  const model = { at, candidate: rounds.map((own) => own.candidate), logPace: paces };
  const { drift, reach } = estimateDrift(model, inTurn);
  if (!inTurn) {
    const seen = beyondSeen * (slowRange(before) + slowRange(after));
    const [wide, narrow] = [reach(significance), reach(2 * significance)];
    return { ...untouched, reach: Math.max(wide, seen), narrowReach: Math.max(narrow, seen) };
  }
  const driftOf = (isCandidate: boolean) =>
    new Map(
      rounds.flatMap((own, k) =>
        own.candidate === isCandidate ? own.rounds.map((round) => [round, drift[k]!] as const) : [],
      ),
    );
  const between = busy ? betweenRuns([pacesByRun(baseline, before), pacesByRun(candidate, after)]) : () => 0;
  return {
    baseline: dividedBy(baseline.table, metric, driftOf(false)),
    candidate: dividedBy(candidate.table, metric, driftOf(true)),
    reach: ofEstimate * Math.max(reach(significance), between(significance)),
    narrowReach: ofEstimate * Math.max(reach(2 * significance), between(2 * significance)),
  };
}

function pacesByRun({ runOfRound }: Side, paces: readonly Pace[]): number[] {
  const byRun = new Map<number, number[]>();
  for (const { rounds, logPace } of paces) {
    const run = runOfRound[rounds[0]!]!;
    byRun.set(run, [...(byRun.get(run) ?? []), logPace]);
  }
  return [...byRun.values()].map((own) => median(own)!);
}

/** Student's half-width of the difference of two means of runs, by the pooled variance of the runs of a side. */
function betweenRuns(sides: readonly number[][]): (tail: number) => number {
  const df = sides.reduce((sum, runs) => sum + runs.length - 1, 0);
  const squares = sides.map((runs) => {
    const mean = runs.reduce((sum, pace) => sum + pace, 0) / runs.length;
    return runs.reduce((sum, pace) => sum + (pace - mean) ** 2, 0);
  });
  const ofMeans = sides.reduce((sum, runs) => sum + 1 / runs.length, 0);
  const error = Math.sqrt((squares.reduce((sum, own) => sum + own, 0) / df) * ofMeans);
  return (tail) => studentTCritical(tail / 2, df) * error;
}

/** Neighbouring rounds of a side, and the median over cells of log work beside the cell's own median. */
interface Pace {
  rounds: number[];
  at: number;
  logPace: number;
}

function pacesOf({ table, roundAt, runOfRound }: Side, { name }: ComparedMetric): Pace[] {
  const { cell, round, size, cells, rounds } = table;
  const values = table.metrics[name];
  const measured = Array.from({ length: size }, (_, i) => i).filter((i) => values[i]! > 0);
  const byCell: number[][] = cells.map(() => []);
  for (const i of measured) byCell[cell[i]!]!.push(Math.log(values[i]!));
  const centres = byCell.map((own) => median(own) ?? 0);
  const each = Math.ceil(rounds / (mostRounds / 2));
  const groups = new Map<string, { members: Set<number>; paces: number[] }>();
  for (const i of measured) {
    // Rounds of two runs lie apart in time, however near in number.
    const key = `${runOfRound[round[i]!]} ${Math.floor(round[i]! / each)}`;
    const own = groups.get(key) ?? { members: new Set(), paces: [] };
    groups.set(key, own);
    own.members.add(round[i]!);
    own.paces.push(Math.log(values[i]!) - centres[cell[i]!]!);
  }
  const grouped = [...groups.values()].map(({ members, paces }) => {
    const own = [...members].sort((a, b) => a - b);
    const at = own.reduce((sum, r) => sum + roundAt[r]!, 0) / own.length;
    return { rounds: own, at, logPace: median(paces)! };
  });
  return grouped.sort((a, b) => a.at - b.at);
}

function dividedBy(
  table: RequestTable,
  { name }: ComparedMetric,
  drift: ReadonlyMap<number, number>,
): RequestTable {
  const column = table.metrics[name].map((value, i) => value / Math.exp(drift.get(table.round[i]!) ?? 0));
  return { ...table, metrics: { ...table.metrics, [name]: column } };
}

/**
 * The range of a parabola through a side's rounds, less what noise alone would give it: by √(1 − 1/F) of the F of its
 * two coefficients.
 */
function slowRange(paces: readonly Pace[]): number {
  const size = paces.length;
  if (size < 4) return 0;
  const centred = (values: number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / size;
    return values.map((value) => value - mean);
  };
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, k) => sum + value * b[k]!, 0);
  const pace = centred(paces.map(({ logPace }) => logPace));
  const linear = centred(paces.map((_, k) => k));
  const squared = centred(linear.map((value) => value ** 2));
  const fit = linear.map(
    (value, k) =>
      (dot(pace, linear) / dot(linear, linear)) * value +
      (dot(pace, squared) / dot(squared, squared)) * squared[k]!,
  );
  const [explained, rest] = [dot(fit, fit) / 2, (dot(pace, pace) - dot(fit, fit)) / (size - 3)];
  if (explained <= rest) return 0;
  return (Math.max(...fit) - Math.min(...fit)) * Math.sqrt(1 - rest / explained);
}
