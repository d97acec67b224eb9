import type { Regression } from '../../../core/records/sampling.js';
import { counterCurve } from '../../counter-curve.js';
import { sumOfCurves } from '../../sum-of-curves.js';
import { quantum } from '../attribute.js';
import { type DeviceUse, devicesOf, type SharedUse } from '../devices.js';
import type { Segment } from '../segment.js';
import { type SegmentShares, type UsedByRequest, usedBy } from '../shares.js';
import { type ServedShare, shareServedCounter } from './share-counter.js';
import type { ServedRequest } from './timeline.js';

/** A request to a server with the tokens of the stages of its row after prefill. */
export interface ServedRun {
  request: ServedRequest;
  decoded: readonly number[];
}

export interface ServedShares extends SegmentShares {
  regressions: Regression[];
  /** By account: each request's share, and what it would be charged by tokens × average. */
  accounts: ReadonlyMap<string, Account>;
  fleet: CounterScope['fleet'];
}

export interface Account {
  byRequest: ReadonlyMap<number, ServedShare>;
  byAverage: ReadonlyMap<number, number>;
}

/** Which requests a counter of a server is of. */
export interface CounterScope {
  /** The requests of a device that a sensor reads, by their ids; null for all of them. */
  requestsOf(device: string, sensor: string): ReadonlySet<number> | null;
  /** Members of a fleet whose counters are one account, as nothing tells which of them answered; null where they are not. */
  fleet: number | null;
}

/** Shares out what servers used while several requests were in flight: the CPU time of their processes, energy, GPU time. */
export function shareServedSegment(
  segment: Segment,
  runs: readonly ServedRun[],
  scope: CounterScope,
  seed: number,
): ServedShares {
  const devices = [...serverCounters(segment, scope), ...devicesOf(segment, true)];
  const { measured } = segment;
  const regressions: Regression[] = [];
  const accounts = new Map<string, Account>();
  const none = { devices, shared: [], used: new Map(), regressions, accounts, fleet: scope.fleet };
  if (measured === null) return none;
  const decoded = new Map(runs.map(({ request, decoded: of }) => [request.id, of]));
  const shared = devices.map((use) => {
    const account = `${use.metric}/${use.device}`;
    const own = scope.requestsOf(use.device, use.sensor);
    const requests = runs.flatMap(({ request }) => (own?.has(request.id) === false ? [] : [request]));
    const unit = use.metric === 'energy' ? quantum.joules : quantum.nanoseconds;
    const found = shareServedCounter({
      ...{ curve: use.curve, ...measured, requests, seed, quantum: unit },
      resolutionNs: use.resolutionNs,
    });
    if (found.refused !== null) {
      regressions.push({ account, refused: found.refused, fit: null });
      return { use, shares: unshared(use, measured, requests) };
    }
    const { byRequest, byAverage: average, refused, ...rest } = found;
    const { total, requests: theirs, idle, unattributed, unknownNs, ...fit } = rest;
    regressions.push({ account, refused, fit });
    accounts.set(account, { byRequest, byAverage: average });
    const attribution = { total, byRequest: new Map(), requests: theirs, idle, unattributed, unknownNs };
    const each = requests.map(({ id }): [number, RequestUse] => {
      const share = byRequest.get(id);
      return [id, share ? useOf(share, decoded.get(id)!, unit) : lost];
    });
    return { use, shares: { attribution, byRequest: new Map(each) } };
  });
  const used = new Map(
    runs.map(({ request: { id } }): [number, UsedByRequest] => {
      const mine = shared.filter(({ shares }) => shares.byRequest.has(id));
      const of = (metric: DeviceUse['metric']) => usedBy(id, metric, 1, mine);
      return [id, { runs: 1, energy: of('energy'), gpuTime: of('gpuTime'), cpuTime: of('cpuTime') }];
    }),
  );
  return { ...none, shared, used };
}

type RequestUse = SharedUse['byRequest'] extends Map<number, infer Use> ? Use : never;

/** A CPU clock counts all the time, and is at most one of the kernel's ticks behind while its process runs. */
const clockPeriodNs = 1e6;

const lost: RequestUse = { amount: null, reason: 'lost', stages: new Map() };

/**
 * The CPU time of each server: of its process where that is read, else as the server tells it. The process at the one
 * address of a fleet is what passes requests on.
 */
function serverCounters(segment: Segment, { fleet, requestsOf }: CounterScope): DeviceUse[] {
  const uses = segment.sensors.flatMap(({ name, channels, periodNs }) =>
    channels
      .filter(({ device, quantity }) => /^server(-\d+)?$/.test(device) && quantity === 'cpuTime')
      .map(
        (channel): DeviceUse => ({
          metric: 'cpuTime',
          device: channel.device,
          sensor: name,
          curve: counterCurve(segment.series(channel), clockPeriodNs),
          resolutionNs: Math.max(periodNs ?? 0, channel.counterPeriodNs ?? 0),
          ofProcess: true,
          counted: true,
        }),
      ),
  );
  const [read, told] = [true, false].map((own) =>
    uses.filter(({ sensor }) => sensor.startsWith('server-process') === own),
  ) as [DeviceUse[], DeviceUse[]];
  if (fleet === null || told.length < fleet) {
    const covered = read.map(({ device, sensor }) => requestsOf(device, sensor));
    const isRead = ({ device, sensor }: DeviceUse) => {
      const own = requestsOf(device, sensor);
      return covered.some((ids) => ids === null || own === null || [...own].some((id) => ids.has(id)));
    };
    return [...read, ...told.filter((use) => fleet === null && !isRead(use))];
  }
  const chosen = told;
  const curve = sumOfCurves(chosen.map((use) => use.curve));
  const resolutionNs = Math.max(...chosen.map((use) => use.resolutionNs));
  return [{ ...chosen[0]!, device: 'server', curve, resolutionNs }];
}

/** Prefill is the first stage of a row; what was decoded is told apart by its tokens. */
function useOf(
  { prefill, decode, amount, low, high }: ServedShare,
  decoded: readonly number[],
  unit: number,
): RequestUse {
  const tokens = decoded.reduce((sum, own) => sum + own, 0);
  let [left, leftTokens] = [decode, tokens];
  const stages: [number, { amount: number; reason: null }][] = [[0, { amount: prefill, reason: null }]];
  for (const [index, own] of decoded.entries()) {
    // Of what is left, so that the last takes all of it, and whole quanta stay whole.
    const part = leftTokens === 0 ? left : Math.round((left * own) / leftTokens / unit) * unit;
    stages.push([index + 1, { amount: part, reason: null }]);
    [left, leftTokens] = [left - part, leftTokens - own];
  }
  return { amount, reason: null, interval: [low, high], stages: new Map(stages) };
}

/** All of a counter that could not be shared is `unattributed`. */
function unshared(
  { curve }: Pick<DeviceUse, 'curve'>,
  { startNs, endNs }: NonNullable<Segment['measured']>,
  requests: readonly ServedRequest[],
): SharedUse {
  let total = 0;
  for (const span of curve.known) {
    const [from, to] = [Math.max(startNs, span.startNs), Math.min(endNs, span.endNs)];
    if (to > from) total += curve.at(to)! - curve.at(from)!;
  }
  const attribution = {
    total,
    byRequest: new Map(),
    requests: 0,
    idle: 0,
    unattributed: total,
    unknownNs: 0,
  };
  const each = requests.map(({ id }): [number, RequestUse] => [
    id,
    { amount: null, reason: 'too-short', stages: new Map() },
  ]);
  return { attribution, byRequest: new Map(each) };
}
