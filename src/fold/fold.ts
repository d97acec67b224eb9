import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';
import type { Warning } from '../core/codes.js';
import type { RecordedWarning } from '../core/result.js';
import {
  type Ceilings,
  type Conservation,
  type ModelRecord,
  type RequestRow,
  type Result,
  schemaVersion,
} from '../core/result.js';
import type { JournalEntry, JournalHeader, JournalRow, OkJournalRow } from '../journal/entry.js';
import type { JournalContents } from '../journal/journal.js';
import { cpuTimeOf, endOf } from '../journal/measured-run.js';
import { largerCeilings } from '../run/ceilings.js';
import { foldSampling } from './fold-sampling.js';
import { ledgerWarnings } from './ledger-warnings.js';

/** Requests that a journal says are done, and those that its processes died of. */
export interface JournalState {
  rows: Map<number, JournalRow>;
  /** How often a request was started in a process that then ended without a word. */
  crashes: Map<number, number>;
  /** When the last request ended, on the run's clock. */
  lastNs: number;
  /** The latest time that is known: what goes on from here comes later than all that was sampled. */
  clockNs: number;
}

/** Where a journal stands. Of two rows of one request, which cannot be, the first counts. */
export function stateOf({ entries }: Pick<JournalContents, 'entries'>): JournalState {
  const rows = new Map<number, JournalRow>();
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
      if (!rows.has(row.id)) rows.set(row.id, row);
      lastNs = Math.max(lastNs, row.times?.submitted ?? 0, row.times?.lastToken ?? 0);
      for (const run of entry.runs ?? []) clockNs = Math.max(clockNs, endOf(run));
    }
  }
  processDied();
  return { rows, crashes, lastNs, clockNs: Math.max(clockNs, lastNs) };
}

/** Folds a journal into a result. It is complete when every request of the plan has a row. */
export function foldJournal(contents: JournalContents): Result {
  const { header, entries } = contents;
  const { settings } = header;
  const state = stateOf(contents);
  const plannedRequests = settings.repetitions * header.cells.reduce((sum, cell) => sum + cell.count, 0);
  const journalled = [...state.rows.values()].sort((a, b) => a.id - b.id);
  const sampled = foldSampling(header, entries, journalled);
  const { rows, sampler, recording } = sampled;
  const conservation = { ...conservationOf(rows, entries), ...sampled.conservation };
  const models = header.models.map((model) => ({
    ...model,
    warmup: warmupOf(model.id, entries),
    ...coldStartOf(model.id, entries),
  }));
  return {
    schemaVersion,
    tool: header.tool,
    run: {
      id: header.id,
      suite: header.suite,
      seed: settings.seed,
      startedAt: header.startedAt,
      durationNs: state.lastNs,
      command: header.command,
      complete: rows.length === plannedRequests,
      warmupRequests: entries.reduce((sum, entry) => sum + (entry.kind === 'warmup' ? entry.requests : 0), 0),
      concurrency: settings.concurrency,
      repetitions: settings.repetitions,
      plannedRequests,
      ...(header.questions && header.questions.length > 0 && { questions: header.questions }),
      // A trace is a sample of what some server was asked; a suite's cells are the design itself.
      design: 'trace' in settings.workload ? 'sampled' : 'fixed',
      settings,
    },
    hardware: { ...header.hardware, ceilings: ceilingsOf(header, entries) },
    environment: { ...header.environment, ...(sampler && { sampler }), ...(recording && { recording }) },
    models,
    metrics: sampled.metrics,
    cells: header.cells.map(({ id, model, factors }) => ({ id, model, factors })),
    requests: foldRows(rows),
    conservation,
    ...(sampled.idleBaseline && { idleBaseline: sampled.idleBaseline }),
    ...(sampled.attributionErrors && { attributionErrors: sampled.attributionErrors }),
    ...(sampled.timeline && { timeline: sampled.timeline }),
    warnings: [
      ...warningsOf(header, entries, rows),
      ...ledgerWarnings(rows, conservation),
      ...sampled.warnings,
    ],
  };
}

function foldRows(rows: readonly JournalRow[]): RequestRow[] {
  // One histogram for all, as it is half a megabyte; auto-resizing would make equal gaps encode unequally.
  const hourNs = 3.6e12;
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: hourNs,
    numberOfSignificantValueDigits: 3,
  });
  return rows.map((row) => {
    if (!hasGaps(row)) return row;
    const { tokenGapsNs, ...rest } = row;
    return { ...rest, interTokenLatency: encodeGaps(tokenGapsNs, histogram, hourNs) };
  });
}

function hasGaps(row: JournalRow): row is OkJournalRow {
  return row.outcome.status === 'ok';
}

/** An HdrHistogram of the gaps in ns, compressed base64; null without gaps. */
function encodeGaps(gapsNs: readonly number[], histogram: Histogram, largestNs: number): string | null {
  if (gapsNs.length === 0) return null;
  histogram.reset();
  for (const gapNs of gapsNs) histogram.recordValue(Math.min(gapNs, largestNs));
  return encodeIntoCompressedBase64(histogram);
}

function ceilingsOf({ hardware }: JournalHeader, entries: readonly JournalEntry[]): Ceilings | null {
  return entries.reduce(
    (best, entry) => (entry.kind === 'ceilings' ? largerCeilings(best, entry.ceilings) : best),
    hardware.ceilings,
  );
}

/** As it was when the model was new: a run that is taken up again finds compiled shaders, or compiles anew. */
function coldStartOf(model: string, entries: readonly JournalEntry[]): Pick<ModelRecord, 'coldStart'> {
  for (const entry of entries) {
    if (entry.kind === 'warmup' && entry.model === model && entry.coldStart)
      return { coldStart: entry.coldStart };
  }
  return {};
}

/** The warm-up requests of a model's own cells, and those of others in which it took part. */
function warmupOf(model: string, entries: readonly JournalEntry[]): ModelRecord['warmup'] {
  let requests = 0;
  let durationNs = 0;
  for (const entry of entries) {
    if (entry.kind !== 'warmup') continue;
    for (const own of [...(entry.model === model ? [entry] : []), entry.alongside?.[model]]) {
      requests += own?.requests ?? 0;
      durationNs += own?.durationNs ?? 0;
    }
  }
  return { requests, durationNs };
}

/**
 * The process's CPU time over its segments of measuring, and how much of it the requests account for.
 * Nothing of a process's CPU time is idle. A segment that was killed counts up to its last row.
 */
function conservationOf(
  rows: readonly JournalRow[],
  entries: readonly JournalEntry[],
): Record<string, Conservation> {
  const attributed = rows.map((row) => row.work?.cpuTime ?? null);
  if (attributed.every((cpuTime) => cpuTime === null)) return {};
  let total = 0;
  let segment = 0;
  for (const entry of entries) {
    if (entry.kind === 'request' || entry.kind === 'ended') segment = Math.max(segment, entry.processCpuNs);
    else if (entry.kind === 'resumed') {
      total += segment;
      segment = 0;
    }
  }
  total += segment;
  // A request that ran several times in a row used all of that.
  const windows = new Map(
    entries.flatMap((entry) =>
      entry.kind === 'request' && entry.runs ? [[entry.row.id, cpuTimeOf(entry.runs)]] : [],
    ),
  );
  const requests = rows.reduce((sum, { id, work }) => sum + (windows.get(id) ?? work?.cpuTime ?? 0), 0);
  return { cpuTime: { total, requests, idle: 0, unattributed: total - requests, unit: 'ns' } };
}

function warningsOf(
  header: JournalHeader,
  entries: readonly JournalEntry[],
  rows: readonly JournalRow[],
): RecordedWarning[] {
  const resumes = entries.filter((entry) => entry.kind === 'resumed');
  return [
    ...header.warnings,
    ...resumes.flatMap((entry) => (entry.kind === 'resumed' ? entry.warnings : [])),
    ...(resumes.length > 0 ? [resumedWarning(resumes.length)] : []),
    ...failureWarnings(rows),
    ...unsettledWarnings(entries),
  ];
}

function resumedWarning(times: number): Warning {
  return {
    code: 'resumed',
    message: `The run was interrupted and taken up again ${times === 1 ? 'once' : `${times} times`}.`,
    hint: 'Times count from its start, the interruptions left out. Repeat it in one go where drift matters.',
  };
}

function unsettledWarnings(entries: readonly JournalEntry[]): RecordedWarning[] {
  return entries.flatMap((entry) =>
    entry.kind === 'warmup' && entry.coldStart?.settled === false
      ? [
          {
            code: 'warm-up-unsettled',
            message: `${entry.model} was measured although ${entry.coldStart.passes} warm-up passes had not come to take equally long.`,
            hint: 'Its first requests may still hold compiling or a clock that rises; run it again, on a quieter machine.',
          },
        ]
      : [],
  );
}

/** One warning per way of failing. */
function failureWarnings(rows: readonly JournalRow[]): RecordedWarning[] {
  const byCode = new Map<string, { count: number; message: string }>();
  for (const { outcome } of rows) {
    if (outcome.status === 'ok') continue;
    const count = (byCode.get(outcome.code)?.count ?? 0) + 1;
    byCode.set(outcome.code, { count, message: outcome.message });
  }
  return [...byCode].map(([code, { count, message }]) => ({
    code: 'requests-failed',
    message: `${count} of ${rows.length} requests failed with ${code}: ${message}`,
    hint: 'They are rows of the result with their reason, and in no figure.',
  }));
}
