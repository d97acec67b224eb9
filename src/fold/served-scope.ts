import { replicaName } from '../engines/endpoint/dialects/replica.js';
import type { JournalRow, ServedHeader } from '../journal/entry.js';
import { isGpu } from '../sampling/attribution/devices.js';
import type { SampledSensor } from '../sampling/attribution/segment.js';
import type { CounterScope } from '../sampling/attribution/served/share-segment.js';

/** Whether a device is a server; its number is that of an endpoint or, of scraped counters, of an address. */
export const isServer = (device: string): boolean => /^server(-\d+)?$/.test(device);

type Sensors = readonly Pick<SampledSensor, 'name' | 'channels'>[];
type Members = ReadonlySet<number> | null;

/**
 * Which requests a counter is of. Of several endpoints: those of the endpoint whose process it is of, or whose address
 * the counter's is; of a GPU those of all endpoints on its host. Of one address before several servers that each have a
 * `--metrics-url`: those that this server answered, where every answer names it by that address's host; else all servers
 * are one account. An exporter's address is no server: what it shows is of all.
 */
export function scopeOf(
  header: Pick<ServedHeader, 'settings' | 'cells'>,
  rows: Iterable<JournalRow>,
  sensors: Sensors,
): CounterScope {
  const { models } = header.settings;
  return models.length > 1 ? ofEndpoints(header, rows) : ofFleet(header, rows, sensors);
}

function ofEndpoints(
  { settings, cells }: Pick<ServedHeader, 'settings' | 'cells'>,
  rows: Iterable<JournalRow>,
): CounterScope {
  const { models, endpoint, metricsUrl } = settings;
  const places = new Map(models.map(({ id }, index) => [id, index]));
  const modelOf = new Map(cells.map(({ id, model }) => [id, model]));
  const placeOf = ({ cell }: JournalRow) => places.get(modelOf.get(cell)!)!;
  const endpoints = endpoint.map((url) => new URL(url));
  const endpointsAt = (url: URL, device: string): Members => {
    const at = (same: (other: URL) => boolean) =>
      endpoints.flatMap((other, index) => (same(other) ? [index] : []));
    const ofHost = at(({ hostname }) => hostname === url.hostname);
    if (isGpu(device)) return ofHost.length > 0 ? new Set(ofHost) : null;
    const ofAddress = at(({ host }) => host === url.host);
    if (ofAddress.length > 0) return new Set(ofAddress);
    // By another port, it is only sure where the host has one endpoint.
    return new Set(ofHost.length === 1 ? ofHost : []);
  };
  return {
    fleet: null,
    requestsOf(device, sensor) {
      const scraped = addressOf(sensor, metricsUrl);
      if (scraped !== null) return idsOf(rows, endpointsAt(scraped.url, device), placeOf);
      const number = isServer(device) ? numberIn(device) : null;
      return number === null ? null : idsOf(rows, new Set([number]), placeOf);
    },
  };
}

function ofFleet(
  { settings: { metricsUrl } }: Pick<ServedHeader, 'settings'>,
  rows: Iterable<JournalRow>,
  sensors: Sensors,
): CounterScope {
  const servers = sensors.flatMap(({ name, channels }) => {
    const scraped = addressOf(name, metricsUrl);
    return scraped !== null && channels.some(({ device }) => isServer(device)) ? [scraped] : [];
  });
  const one: CounterScope = { fleet: null, requestsOf: () => null };
  if (servers.length < 2) return one;
  const names = servers.map(({ url }) => [url.host, url.hostname].map(replicaName));
  const replicaOf = ({ served }: JournalRow) => names.findIndex((own) => own.includes(served?.replica ?? ''));
  const areNamed = areAll(rows, (row) => row.times === null || replicaOf(row) >= 0);
  // Two of one host that answers name by the host alone are not told apart.
  const isSure = new Set(names.map(([, host]) => host)).size === names.length || namesPort(rows, names);
  if (!areNamed || !isSure) return { ...one, fleet: servers.length };
  return {
    fleet: null,
    requestsOf(device, sensor) {
      const scraped = addressOf(sensor, metricsUrl);
      if (scraped === null) return null;
      const own = servers.flatMap(({ url, index }, at) =>
        (isGpu(device) ? url.hostname === scraped.url.hostname : index === scraped.index) ? [at] : [],
      );
      return idsOf(rows, own.length > 0 ? new Set(own) : null, replicaOf);
    },
  };
}

const namesPort = (rows: Iterable<JournalRow>, names: readonly (readonly string[])[]): boolean =>
  areAll(rows, ({ times, served }) => times === null || names.some(([host]) => host === served?.replica));

/** The address that a sensor scrapes, and its place among those that were named; null of any other sensor. */
function addressOf(sensor: string, urls: readonly string[]): { url: URL; index: number } | null {
  const found = /^server-metrics(?:-(\d+))?$/.exec(sensor);
  const index = Number(found?.[1] ?? 0);
  return found === null || urls[index] === undefined ? null : { url: new URL(urls[index]), index };
}

function numberIn(device: string): number | null {
  const number = /-(\d+)$/.exec(device)?.[1];
  return number === undefined ? null : Number(number);
}

function idsOf(
  rows: Iterable<JournalRow>,
  members: Members,
  memberOf: (row: JournalRow) => number,
): ReadonlySet<number> | null {
  if (members === null) return null;
  const ids = new Set<number>();
  for (const row of rows) if (members.has(memberOf(row))) ids.add(row.id);
  return ids;
}

function areAll(rows: Iterable<JournalRow>, are: (row: JournalRow) => boolean): boolean {
  for (const row of rows) if (!are(row)) return false;
  return true;
}
