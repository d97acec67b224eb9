import type { RowwiseResult } from '../core/json/result-text.js';
import type { ModelRecord } from '../core/records/model.js';
import { type Conservation, type RequestRow, type Result, schemaVersion } from '../core/result.js';
import type { Bytes } from '../core/units.js';
import type { JournalEntry, JournalRow, OkJournalRow } from '../journal/entry.js';
import { cpuTimeOf } from '../journal/measured-run.js';
import type { JournalContents } from '../journal/read.js';
import { memoryOf, stateOf } from '../journal/state.js';
import { ceilingsOf } from './ceilings.js';
import { gapEncoder } from './gap-histogram.js';
import { foldSampling } from './sampling.js';
import { areShared, isServed } from './served.js';
import { warningsOf } from './warnings.js';

/** A folded journal, with the number of its rows. */
export interface FoldedResult extends RowwiseResult {
  requests: number;
}

/** Folds a journal into a result. It is complete when every request of the plan has a row. */
export function foldJournal(contents: JournalContents): FoldedResult {
  const { header } = contents;
  const { settings } = header;
  const state = stateOf(contents);
  const plannedRequests = settings.repetitions * header.cells.reduce((sum, cell) => sum + cell.count, 0);
  const { entries, cpuTime } = withoutRequests(contents.entries);
  const peaks = header.memoryApart ? memoryOf(entries) : null;
  const journalled = { [Symbol.iterator]: () => withMemory(contents.rows, peaks) };
  const sampled = foldSampling({ ...contents, rows: journalled }, entries);
  const { fill, tally, sampler, recording } = sampled;
  // What was shared out of a server's counter is in an account of that counter.
  const own = isServed(header) && areShared(header) ? {} : conservationOf(cpuTime);
  const conservation = { ...own, ...sampled.conservation };
  const models = header.models.map((model) => ({
    ...model,
    warmup: warmupOf(model.id, entries),
    ...coldStartOf(model.id, entries),
  }));
  const head: FoldedResult['head'] = {
    schemaVersion,
    tool: header.tool,
    run: {
      id: header.id,
      suite: header.suite,
      seed: settings.seed,
      startedAt: header.startedAt,
      durationNs: state.lastNs,
      command: header.command,
      complete: tally.rows === plannedRequests,
      warmupRequests: entries.reduce((sum, entry) => sum + (entry.kind === 'warmup' ? entry.requests : 0), 0),
      concurrency: settings.concurrency,
      repetitions: settings.repetitions,
      plannedRequests,
      ...(header.questions && header.questions.length > 0 && { questions: header.questions }),
      // A trace, and a user's prompts, are a sample of what some server is asked; a suite's cells are the design itself.
      design: 'suite' in settings.workload ? 'fixed' : 'sampled',
      ...sentOf(entries),
      settings,
    },
    hardware: { ...header.hardware, ceilings: ceilingsOf(header, entries) },
    environment: { ...header.environment, ...(sampler && { sampler }), ...(recording && { recording }) },
    models,
    metrics: sampled.metrics,
    cells: header.cells.map(({ id, model, factors }) => ({ id, model, factors })),
    conservation,
    ...(sampled.idleBaseline && { idleBaseline: sampled.idleBaseline }),
    ...(sampled.regressions && { regressions: sampled.regressions }),
    ...(sampled.attributionErrors && { attributionErrors: sampled.attributionErrors }),
    ...(sampled.timeline && { timeline: sampled.timeline }),
    warnings: [
      ...warningsOf(header, entries, tally),
      ...tally.ledgerWarnings(conservation),
      ...sampled.warnings,
    ],
  };
  return { head, requests: tally.rows, rows: () => foldRows(journalled, fill) };
}

/**
 * Puts the peak memory of a cell into the row of its first request: it was measured of one request, and in every row
 * would look as if it had been of each.
 */
function* withMemory(
  rows: Iterable<JournalRow>,
  peaks: ReadonlyMap<string, Bytes | null> | null,
): Generator<JournalRow> {
  const seen = new Set<string>();
  for (const row of rows) {
    const isFirst = peaks !== null && hasGaps(row) && !seen.has(row.cell);
    if (isFirst) seen.add(row.cell);
    yield isFirst ? withPeak(row, peaks.get(row.cell)) : row;
  }
}

function withPeak(row: OkJournalRow, peakMemory: Bytes | null | undefined): OkJournalRow {
  if (peakMemory === undefined) return row;
  if (peakMemory === null) return { ...row, absent: { ...row.absent, peakMemory: 'too-short' as const } };
  const { absent = {}, ...rest } = row;
  const { peakMemory: _notSampled, ...others } = absent;
  const work = { ...row.work, peakMemory };
  return { ...rest, work, ...(Object.keys(others).length > 0 && { absent: others }) };
}

function* foldRows(rows: Iterable<JournalRow>, fill: (row: JournalRow) => JournalRow): Generator<RequestRow> {
  const encode = gapEncoder();
  for (const journalled of rows) {
    const row = fill(journalled);
    if (!hasGaps(row)) yield row;
    else {
      const { tokenGapsNs, ...rest } = row;
      yield { ...rest, interTokenLatency: encode(tokenGapsNs) };
    }
  }
}

function hasGaps(row: JournalRow): row is OkJournalRow {
  return row.outcome.status === 'ok';
}

/** The cold start of when the model was new: a run that is taken up again finds compiled shaders, or compiles anew. */
function coldStartOf(model: string, entries: readonly JournalEntry[]): Pick<ModelRecord, 'coldStart'> {
  for (const entry of entries) {
    if (entry.kind === 'warmup' && entry.model === model && entry.coldStart)
      return { coldStart: entry.coldStart };
  }
  return {};
}

/** When requests were sent to servers, and the client's load meanwhile. */
function sentOf(entries: readonly JournalEntry[]): Pick<Result['run'], 'arrivals' | 'client'> {
  const sent = entries.flatMap((entry) => (entry.kind === 'sent' ? [entry] : []));
  if (sent.length === 0) return {};
  return { arrivals: sent.map(({ arrivals }) => arrivals), client: sent.map(({ client }) => client) };
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

/** The CPU time of a process that measured, and of the requests that it measured; null where it is known of none. */
interface CpuAccount {
  total: number;
  requests: number | null;
}

/**
 * The process's CPU time over its segments of measuring, and how much of it the requests account for. A segment that
 * was killed counts up to its last row; a request that ran several times in a row used all of that. Beside it the
 * entries that are no requests, which are few.
 */
function withoutRequests(all: Iterable<JournalEntry>): { entries: JournalEntry[]; cpuTime: CpuAccount } {
  const entries: JournalEntry[] = [];
  const seen = new Set<number>();
  let [total, segment] = [0, 0];
  let requests: number | null = null;
  for (const entry of all) {
    if (entry.kind === 'request' || entry.kind === 'ended') segment = Math.max(segment, entry.processCpuNs);
    else if (entry.kind === 'resumed') {
      total += segment;
      segment = 0;
    }
    if (entry.kind === 'started') continue;
    if (entry.kind !== 'request') {
      entries.push(entry);
      continue;
    }
    const { row, runs } = entry;
    if (seen.has(row.id)) continue;
    seen.add(row.id);
    const own = row.work?.cpuTime ?? null;
    if (own !== null) requests = (requests ?? 0) + ((runs && cpuTimeOf(runs)) ?? own);
  }
  return { entries, cpuTime: { total: total + segment, requests } };
}

/** Nothing of a process's CPU time is idle. */
function conservationOf({ total, requests }: CpuAccount): Record<string, Conservation> {
  if (requests === null) return {};
  return { cpuTime: { total, requests, idle: 0, unattributed: total - requests, unit: 'ns' } };
}
