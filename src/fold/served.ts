import type { JournalHeader, JournalRow, ServedHeader } from '../journal/entry.js';
import { isGpu } from '../sampling/attribution/devices.js';
import type { RequestRun, Segment } from '../sampling/attribution/segment.js';
import {
  type ServedRun,
  type ServedShares,
  shareServedSegment,
} from '../sampling/attribution/served/share-segment.js';
import type { ServedRequest } from '../sampling/attribution/served/timeline.js';
import { scopeOf } from './served-scope.js';

/** Whether requests went to servers. */
export const isServed = (header: JournalHeader): header is ServedHeader => 'endpoint' in header.settings;

/** Whether a server's counters have to be shared among requests, as they were not read around each of them. */
export const areShared = ({ settings, metrics }: ServedHeader): boolean =>
  settings.concurrency > 1 || metrics.cpuTime?.provenance !== 'measured';

/** Whether sensors saw a GPU, which a server may have computed on. */
export const sawGpu = (segments: readonly Segment[]): boolean =>
  segments.some(({ sensors }) =>
    sensors.some(({ channels }) => channels.some(({ device }) => isGpu(device))),
  );

/** The shares of a segment's requests in what their servers used. */
export function shareServed(
  segment: Segment,
  header: ServedHeader,
  rows: Iterable<JournalRow>,
): ServedShares {
  const byId = new Map(segment.requests.map((run) => [run.id, run]));
  const found = new Map<number, ServedRun>();
  for (const row of rows) {
    const run = byId.get(row.id);
    const served = run === undefined ? null : servedRun(run, row);
    if (served !== null) found.set(row.id, served);
  }
  // In the order in which they ended.
  const runs = segment.requests.flatMap(({ id }) => found.get(id) ?? []);
  return shareServedSegment(segment, runs, scopeOf(header, rows, segment.sensors), header.settings.seed);
}

/** Null of a request that was not sent. */
function servedRun({ id, spans }: RequestRun, row: JournalRow): ServedRun | null {
  const { times } = row;
  if (times === null) return null;
  const base = {
    id,
    sentNs: times.started,
    firstTokenNs: times.firstToken,
    lastTokenNs: times.lastToken,
    endNs: spans.at(-1)!.endNs,
  };
  if (!('stages' in row)) {
    const request = { ...base, promptTokens: null, cachedTokens: null, completionTokens: null, failed: true };
    return { request, decoded: [] };
  }
  const { tokens, stages, served } = row;
  const request: ServedRequest = {
    ...base,
    promptTokens: tokens.prompt,
    cachedTokens: tokens.cached,
    completionTokens: tokens.completion,
    failed: false,
    outputNs: outputTimes(row.times.firstToken, row.tokenGapsNs),
    serverPrefillNs: served?.times?.prefill ?? null,
  };
  return { request, decoded: stages.slice(1).map((stage) => stage.tokens) };
}

/** Null where tokens did not come apart, so that nobody knows when. */
function outputTimes(firstNs: number, gapsNs: readonly number[]): number[] | null {
  if (gapsNs.length === 0) return null;
  const times = [firstNs];
  for (const gapNs of gapsNs) times.push(times.at(-1)! + gapNs);
  return times;
}
