import { TokenworkError } from '../../core/errors.js';
import type { Result } from '../../core/result.js';
import type { RequestTable } from '../requests/request-table.js';
import { tableOf } from '../requests/table-builder.js';
import { configurationDifferences } from './configuration.js';

/** One side of a comparison: its runs, one after the other, as one table. */
export interface Side {
  table: RequestTable;
  /** By round of the table, the time around which it ran: ns, on one clock for all runs; `NaN` for an empty one. */
  roundAt: Float64Array;
  /** By round, which of the runs it belongs to. */
  runOfRound: number[];
  /** By run, when it began on that clock. */
  runAt: number[];
}

/** The side of some runs of the same cells and settings, in the order in which they began. */
export function sideOf(runs: readonly Result[]): Side {
  const ordered = runs.toSorted((a, b) => startOf(a) - startOf(b));
  const tables = ordered.map(tableOf);
  const whole =
    ordered.length === 1
      ? tables[0]!
      : tableOf({
          cells: ordered[0]!.cells,
          run: { repetitions: 1 },
          requests: ordered.flatMap(({ requests }) => requests),
        });
  const rounds = tables.reduce((sum, table) => sum + table.rounds, 0);
  const round = new Uint32Array(whole.size);
  const roundAt = new Float64Array(rounds).fill(Number.NaN);
  let [firstRow, firstRound] = [0, 0];
  for (const [k, table] of tables.entries()) {
    const [sums, counts] = [new Float64Array(table.rounds), new Float64Array(table.rounds)];
    for (let i = 0; i < table.size; i++) {
      const own = table.round[i]!;
      round[firstRow + i] = firstRound + own;
      sums[own]! += table.times.started[i]!;
      counts[own]!++;
    }
    for (const [own, count] of counts.entries())
      if (count > 0) roundAt[firstRound + own] = startOf(ordered[k]!) + sums[own]! / count;
    firstRow += table.size;
    firstRound += table.rounds;
  }
  const runOfRound = tables.flatMap((table, k) => new Array<number>(table.rounds).fill(k));
  return { table: { ...whole, round, rounds }, roundAt, runOfRound, runAt: ordered.map(startOf) };
}

/** ns of the wall clock: comparable between runs of one machine, and exact to a microsecond. */
function startOf({ run }: Result): number {
  return Date.parse(run.startedAt) * 1e6;
}

/**
 * Whether the sides' runs took turns in time, so that what drifts between runs can be told from what differs between
 * the sides: both have several, and neither had all of its own before the other began.
 */
export function tookTurns(baseline: Side, candidate: Side): boolean {
  const [before, after] = [baseline.runAt, candidate.runAt];
  if (before.length < 2 || after.length < 2) return false;
  return Math.max(...before) > Math.min(...after) && Math.max(...after) > Math.min(...before);
}

/** Settings in which runs of one side may differ. */
const free = new Set(['seed', 'repetitions', 'complete']);

/** Throws TokenworkError `side-differs` where runs that are given as one side are not of one kind. */
export function refuseMixedSide(runs: readonly Result[]): void {
  for (const run of runs.slice(1)) {
    const differing = configurationDifferences(runs[0]!, run).filter(({ what }) => !free.has(what));
    if (differing.length === 0) continue;
    const told = differing.map(({ what, baseline, candidate }) => `${what} ${baseline} against ${candidate}`);
    throw new TokenworkError(
      'side-differs',
      `Runs ${runs[0]!.run.id} and ${run.run.id} are given as one side and differ: ${told.join('; ')}.`,
      'Give as one side only runs of the same model, suite and machine.',
    );
  }
}
