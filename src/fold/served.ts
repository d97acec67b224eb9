import { replicaName } from '../engines/endpoint/dialects/replica.js';
import type { JournalHeader, JournalRow, ServedHeader } from '../journal/entry.js';
import { isGpu } from '../sampling/attribution/devices.js';
import type { RequestRun, Segment } from '../sampling/attribution/segment.js';
import {
  type CounterScope,
  type ServedRun,
  type ServedShares,
  shareServedSegment,
} from '../sampling/attribution/served/share-segment.js';
import type { ServedRequest } from '../sampling/attribution/served/timeline.js';

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
  return shareServedSegment(segment, runs, scopeOf(header, rows), header.settings.seed);
}

/**
 * Which requests a counter `server-N` is of: of several endpoints those of the Nth; of one whose replicas each have a
 * `--metrics-url`, those that the Nth answered, where every answer names its replica by that address's host. Else all
 * replicas are one account.
 */
function scopeOf(header: ServedHeader, rows: Iterable<JournalRow>): CounterScope {
  const { models, metricsUrl } = header.settings;
  const numberOf = (device: string) => Number(/^server-(\d+)$/.exec(device)?.[1] ?? Number.NaN);
  const scope = (owner: (row: JournalRow) => number, together = false): CounterScope => ({
    together,
    requestsOf: (device) => {
      const number = numberOf(device);
      if (Number.isNaN(number)) return null;
      const own = new Set<number>();
      for (const row of rows) if (owner(row) === number) own.add(row.id);
      return own;
    },
  });
  if (models.length > 1) {
    const modelOf = new Map(header.cells.map(({ id, model }) => [id, model]));
    const places = new Map(models.map(({ id }, index) => [id, index]));
    return scope(({ cell }) => places.get(modelOf.get(cell)!)!);
  }
  const hosts = metricsUrl.map((url) => [new URL(url).host, new URL(url).hostname].map(replicaName));
  const replicaOf = ({ served }: JournalRow) =>
    hosts.findIndex((names) => names.includes(served?.replica ?? ''));
  const isNamed = (row: JournalRow) => row.times === null || replicaOf(row) >= 0;
  return hosts.length > 1 && areAll(rows, isNamed)
    ? scope(replicaOf)
    : { requestsOf: () => null, together: true };
}

function areAll(rows: Iterable<JournalRow>, are: (row: JournalRow) => boolean): boolean {
  for (const row of rows) if (!are(row)) return false;
  return true;
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
