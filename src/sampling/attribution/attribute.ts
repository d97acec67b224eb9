import type { Nanoseconds } from '../../core/units.js';
import { median } from '../../stats/quantile.js';
import type { CumulativeCurve } from '../window.js';

/** A segment in which a request kept the device busy. A request of several stages has one for each. */
export interface Claim {
  request: number;
  startNs: Nanoseconds;
  endNs: Nanoseconds;
  /** CPU or GPU time the request used within the segment, in ns; taken as spread evenly over it. */
  busyNs: Nanoseconds;
}

/** Who used what of a device. `requests` + `idle` + `unattributed` = `total`, to the last bit. */
export interface Attribution {
  total: number;
  byRequest: Map<number, number>;
  /** Sum of `byRequest`. */
  requests: number;
  /** Used while no request ran. */
  idle: number;
  /** Used while requests ran, yet by none of them as far as is known. */
  unattributed: number;
  /** Time within the span in which the device was not measured; its use is in no figure here. */
  unknownNs: Nanoseconds;
}

export interface AttributionOptions {
  curve: CumulativeCurve;
  startNs: Nanoseconds;
  endNs: Nanoseconds;
  claims: readonly Claim[];
  /** The smallest amount told apart: `quantum.joules` or `quantum.nanoseconds`. */
  quantum: number;
  /**
   * How busy the device was with everybody's work, in ns of the same kind as the claims. With it, only
   * the requests' part of that is theirs, and the neighbours' is `unattributed`; without it, all that the
   * device used while requests ran is theirs.
   */
  deviceBusy?: CumulativeCurve;
}

/**
 * Amounts are whole multiples of these. A power of two for joules (about 1 µJ), so that sums of doubles
 * are exact up to 8 GJ, and conservation is an equality rather than a tolerance.
 */
export const quantum = { joules: 2 ** -20, nanoseconds: 1 } as const;

interface Edge {
  atNs: Nanoseconds;
  starts: Claim[];
  ends: Claim[];
}

/**
 * Shares out what a device used over a span. Between two moments at which a claim starts or ends, the
 * use is divided in proportion to the claims' rates of busy time; the device's resting power is shared
 * with it, because the device is up for those who use it.
 */
export function attribute(options: AttributionOptions): Attribution {
  const { curve, startNs, endNs, quantum: unit, deviceBusy } = options;
  const edges = edgesOf(options);
  const active = new Map<Claim, number>();
  const byRequest = new Map<number, number>();
  for (const { request } of options.claims) byRequest.set(request, 0);
  const sum = { total: 0, requests: 0, idle: 0, unattributed: 0 };
  let unknownNs = 0;
  for (const [index, { atNs, starts, ends }] of edges.entries()) {
    for (const claim of ends) active.delete(claim);
    for (const claim of starts) active.set(claim, claim.busyNs / (claim.endNs - claim.startNs));
    const untilNs = edges[index + 1]?.atNs ?? endNs;
    const fromNs = Math.max(atNs, startNs);
    if (untilNs <= fromNs) continue;
    const used = useBetween(curve, fromNs, untilNs, unit);
    if (used === null) {
      unknownNs += untilNs - fromNs;
      continue;
    }
    sum.total += used;
    if (active.size === 0) {
      sum.idle += used;
      continue;
    }
    const rate = [...active.values()].reduce((total, value) => total + value, 0);
    const theirs = Math.floor(used * shareOf(rate, fromNs, untilNs, deviceBusy));
    for (const [claim, amount] of divide(theirs, active, rate)) {
      byRequest.set(claim.request, byRequest.get(claim.request)! + amount);
      sum.requests += amount;
      sum.unattributed -= amount;
    }
    sum.unattributed += used;
  }
  return {
    total: sum.total * unit,
    byRequest: new Map([...byRequest].map(([request, amount]) => [request, amount * unit])),
    requests: sum.requests * unit,
    idle: sum.idle * unit,
    unattributed: sum.unattributed * unit,
    unknownNs,
  };
}

/** The method's error: how far shares are from what the same requests used alone, as a share of that. */
export function attributionError(
  pairs: readonly { shared: number; alone: number }[],
): { median: number; largest: number } | null {
  const errors = pairs
    .filter(({ alone }) => alone > 0)
    .map(({ shared, alone }) => Math.abs(shared - alone) / alone);
  const middle = median(errors);
  return middle === null ? null : { median: middle, largest: Math.max(...errors) };
}

function edgesOf({ curve, startNs, endNs, claims }: AttributionOptions): Edge[] {
  const edges = new Map<Nanoseconds, Edge>();
  const at = (atNs: Nanoseconds) => {
    let edge = edges.get(atNs);
    if (!edge) {
      edge = { atNs, starts: [], ends: [] };
      edges.set(atNs, edge);
    }
    return edge;
  };
  at(startNs);
  at(endNs);
  for (const { startNs: from, endNs: to } of curve.known) {
    if (from > startNs && from < endNs) at(from);
    if (to > startNs && to < endNs) at(to);
  }
  for (const claim of claims) {
    if (!(claim.busyNs >= 0)) throw new RangeError(`request ${claim.request} was busy ${claim.busyNs} ns`);
    const from = Math.max(claim.startNs, startNs);
    const to = Math.min(claim.endNs, endNs);
    if (to <= from) continue;
    at(from).starts.push(claim);
    at(to).ends.push(claim);
  }
  return [...edges.values()].sort((a, b) => a.atNs - b.atNs);
}

/** Whole quanta, rounded at the moments and not between them, so that parts add up to the whole. */
function useBetween(
  curve: CumulativeCurve,
  fromNs: Nanoseconds,
  untilNs: Nanoseconds,
  unit: number,
): number | null {
  const known = curve.known.some(({ startNs, endNs }) => startNs <= fromNs && endNs >= untilNs);
  if (!known) return null;
  return Math.round(curve.at(untilNs)! / unit) - Math.round(curve.at(fromNs)! / unit);
}

function shareOf(
  rate: number,
  fromNs: Nanoseconds,
  untilNs: Nanoseconds,
  deviceBusy: CumulativeCurve | undefined,
): number {
  if (rate === 0) return 0;
  const before = deviceBusy?.at(fromNs) ?? null;
  const after = deviceBusy?.at(untilNs) ?? null;
  if (before === null || after === null) return 1;
  const busyNs = after - before;
  const theirsNs = rate * (untilNs - fromNs);
  return busyNs > theirsNs ? theirsNs / busyNs : 1;
}

/** Whole quanta in proportion to the rates, what rounding leaves over to the largest remainders. */
function divide(amount: number, rates: ReadonlyMap<Claim, number>, rate: number): [Claim, number][] {
  if (amount <= 0) return [];
  const shares = [...rates].map(([claim, own]) => {
    const exact = (amount * own) / rate;
    return { claim, whole: Math.floor(exact), remainder: exact - Math.floor(exact) };
  });
  let left = amount - shares.reduce((sum, { whole }) => sum + whole, 0);
  for (const share of [...shares].sort((a, b) => b.remainder - a.remainder)) {
    if (left <= 0) break;
    share.whole++;
    left--;
  }
  return shares.map(({ claim, whole }) => [claim, whole]);
}
