import type { Warning } from '../core/codes.js';
import type { JournalEntry, Settings } from '../journal/entry.js';

/** How far holding the sharing among requests against the same requests alone has come. */
export interface ValidationState {
  isDone: boolean;
  /** Runs alone, by cell. */
  runs: ReadonlyMap<string, number>;
  /** Processes that ended without a word while they were at it. */
  deaths: number;
}

/** What killed the process twice would kill it for ever. */
const deathsAllowed = 1;

export function validationOf(entries: readonly JournalEntry[]): ValidationState {
  const runs = new Map<string, number>();
  let isDone = false;
  let isRunning = false;
  let deaths = 0;
  for (const entry of entries) {
    if (entry.kind === 'alone') runs.set(entry.cell, (runs.get(entry.cell) ?? 0) + 1);
    else if (entry.kind === 'validation') {
      isDone ||= entry.state === 'done';
      if (isRunning && entry.state === 'begun') deaths++;
      isRunning = entry.state === 'begun';
    }
  }
  return { isDone, runs, deaths: deaths + (isRunning ? 1 : 0) };
}

/** Whether it was asked for and is still to be done, or to be finished. */
export function isPending(
  { sampling }: Pick<Settings, 'sampling'>,
  { isDone, deaths }: ValidationState,
): boolean {
  return sampling.validate && !isDone && deaths <= deathsAllowed;
}

/** Said in a result that lacks it, or has only a part of it. */
export function unfinishedValidation(state: ValidationState): Warning {
  const held = [...state.runs.values()].reduce((sum, runs) => sum + runs, 0);
  const runs = `${held} ${held === 1 ? 'request was' : 'requests were'} measured alone before that, and count.`;
  return state.deaths > deathsAllowed
    ? {
        code: 'attribution-unvalidated',
        message: `The process died both times that it held the sharing against the same requests alone. ${runs}`,
        hint: 'The requests themselves are all measured. Try --validate-attribution on a shorter workload.',
      }
    : {
        code: 'attribution-unvalidated',
        message: `The run was stopped before the sharing was held against all of the same requests alone. ${runs}`,
        hint: 'Finish it with: tokenwork bench --resume RESULT',
      };
}
