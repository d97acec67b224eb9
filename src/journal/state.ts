import type { Warning } from '../core/codes.js';
import type { Bytes } from '../core/units.js';
import type { PlannedCell } from '../workload/plan.js';
import type { JournalEntry, Settings } from './entry.js';
import { endOf } from './measured-run.js';
import type { JournalContents } from './read.js';

/** Requests that a journal says are done, and those that its processes died of. */
export interface JournalState {
  finished: Set<number>;
  /** Times that a request was started in a process that then ended without a word. */
  crashes: Map<number, number>;
  /** When the last request ended, on the run's clock. */
  lastNs: number;
  /** The latest time that is known: what goes on from here comes later than all that was sampled. */
  clockNs: number;
}

/** The state of a journal. */
export function stateOf({ entries }: Pick<JournalContents, 'entries'>): JournalState {
  const finished = new Set<number>();
  const crashes = new Map<number, number>();
  let running = new Set<number>();
  let lastNs = 0;
  let clockNs = 0;
  const processDied = () => {
    for (const id of running) crashes.set(id, (crashes.get(id) ?? 0) + 1);
    running = new Set();
  };
  for (const entry of entries) {
    if (entry.kind === 'resumed') processDied();
    else if (entry.kind === 'started') running.add(entry.id);
    else if (entry.kind === 'ended') {
      running = new Set();
      lastNs = Math.max(lastNs, entry.atNs);
    } else if (entry.kind === 'samples') {
      for (const { timesNs } of entry.series) {
        clockNs = Math.max(
          clockNs,
          timesNs.reduce((sum, apartNs) => sum + apartNs, 0),
        );
      }
    } else if (entry.kind === 'request') {
      const { row } = entry;
      running.delete(row.id);
      finished.add(row.id);
      lastNs = Math.max(lastNs, row.times?.submitted ?? 0, row.times?.lastToken ?? 0);
      for (const run of entry.runs ?? []) clockNs = Math.max(clockNs, endOf(run));
    }
  }
  processDied();
  return { finished, crashes, lastNs, clockNs: Math.max(clockNs, lastNs) };
}

/** Of so many measured requests, one more is run for its memory at the most: it is no small part of a run else. */
const requestsPerMemoryRequest = 6;
const mostMemoryRequests = 40;
/** One that killed the process twice would kill it for ever. */
const memoryDeathsAllowed = 1;

/** Peak memory by cell, of those that had a request of their own for it. */
export function memoryOf(entries: Iterable<JournalEntry>): ReadonlyMap<string, Bytes | null> {
  const peaks = new Map<string, Bytes | null>();
  const begun = new Map<string, number>();
  for (const entry of entries) {
    if (entry.kind !== 'memory') continue;
    const { cell, peakBytes } = entry;
    if (peakBytes !== undefined) peaks.set(cell, peakBytes);
    else begun.set(cell, (begun.get(cell) ?? 0) + 1);
  }
  for (const [cell, times] of begun)
    if (times > memoryDeathsAllowed && !peaks.has(cell)) peaks.set(cell, null);
  return peaks;
}

/** The cells whose peak memory is still to be measured by a request of its own, evenly spaced where not all are. */
export function cellsForMemory(
  cells: readonly PlannedCell[],
  { repetitions }: Pick<Settings, 'repetitions'>,
  peaks: ReadonlyMap<string, Bytes | null>,
): PlannedCell[] {
  const requests = repetitions * cells.reduce((sum, { count }) => sum + count, 0);
  const most = Math.min(mostMemoryRequests, Math.ceil(requests / requestsPerMemoryRequest));
  return evenly(cells, most).filter(({ id }) => !peaks.has(id));
}

/** So many items at the most, from the first on. */
export function evenly<Item>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)]!);
}

/** Whether that is so of any cell of a run. */
export function isMemoryPending({ header, entries }: Pick<JournalContents, 'header' | 'entries'>): boolean {
  const { memoryApart = false, cells, settings } = header;
  return memoryApart && cellsForMemory(cells, settings, memoryOf(entries)).length > 0;
}

/** The progress of holding the sharing among requests against the same requests alone. */
export interface ValidationState {
  isDone: boolean;
  /** Runs alone, by cell. */
  runs: ReadonlyMap<string, number>;
  /** Processes that ended without a word while they were at it. */
  deaths: number;
}

/** A validation that killed the process twice would kill it for ever. */
const deathsAllowed = 1;

export function validationOf(entries: Iterable<JournalEntry>): ValidationState {
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
