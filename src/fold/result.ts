import {
  type Conservation,
  type ModelRecord,
  type RequestRow,
  type Result,
  schemaVersion,
} from '../core/result.js';
import type { Bytes } from '../core/units.js';
import type { JournalEntry, JournalRow, OkJournalRow } from '../journal/entry.js';
import { cpuTimeOf } from '../journal/measured-run.js';
import type { JournalContents } from '../journal/read.js';
import { memoryOf, stateOf } from '../journal/state.js';
import { ceilingsOf } from './ceilings.js';
import { gapEncoder } from './gap-histogram.js';
import { foldSampling } from './sampling.js';
import { areShared, isServed } from './served.js';
import { ledgerWarnings, warningsOf } from './warnings.js';

/** Folds a journal into a result. It is complete when every request of the plan has a row. */
export function foldJournal(contents: JournalContents): Result {
  const { header, entries } = contents;
  const { settings } = header;
  const state = stateOf(contents);
  const plannedRequests = settings.repetitions * header.cells.reduce((sum, cell) => sum + cell.count, 0);
  const inOrder = [...state.rows.values()].sort((a, b) => a.id - b.id);
  const journalled = header.memoryApart ? withMemory(inOrder, memoryOf(entries)) : inOrder;
  const sampled = foldSampling(header, entries, journalled);
  const { rows, sampler, recording } = sampled;
  // What was shared out of a server's counter is in an account of that counter.
  const own = isServed(header) && areShared(header) ? {} : conservationOf(rows, entries);
  const conservation = { ...own, ...sampled.conservation };
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
    requests: foldRows(rows),
    conservation,
    ...(sampled.idleBaseline && { idleBaseline: sampled.idleBaseline }),
    ...(sampled.regressions && { regressions: sampled.regressions }),
    ...(sampled.attributionErrors && { attributionErrors: sampled.attributionErrors }),
    ...(sampled.timeline && { timeline: sampled.timeline }),
    warnings: [
      ...warningsOf(header, entries, rows),
      ...ledgerWarnings(rows, conservation),
      ...sampled.warnings,
    ],
  };
}

/**
 * Puts the peak memory of a cell into the row of its first request: it was measured of one request, and in every row
 * would look as if it had been of each.
 */
function withMemory(
  rows: readonly JournalRow[],
  peaks: ReadonlyMap<string, Bytes | null>,
): readonly JournalRow[] {
  const seen = new Set<string>();
  return rows.map((row) => {
    if (!hasGaps(row) || seen.has(row.cell)) return row;
    seen.add(row.cell);
    const peakMemory = peaks.get(row.cell);
    if (peakMemory === undefined) return row;
    if (peakMemory === null) return { ...row, absent: { ...row.absent, peakMemory: 'too-short' as const } };
    const { absent = {}, ...rest } = row;
    const { peakMemory: _notSampled, ...others } = absent;
    const work = { ...row.work, peakMemory };
    return { ...rest, work, ...(Object.keys(others).length > 0 && { absent: others }) };
  });
}

function foldRows(rows: readonly JournalRow[]): RequestRow[] {
  const encode = gapEncoder();
  return rows.map((row) => {
    if (!hasGaps(row)) return row;
    const { tokenGapsNs, ...rest } = row;
    return { ...rest, interTokenLatency: encode(tokenGapsNs) };
  });
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
