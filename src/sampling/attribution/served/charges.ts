import type { Nanoseconds } from '../../../core/units.js';
import type { Design } from './design.js';
import type { Fit } from './fit.js';

export interface Charge {
  id: number;
  prefill: number;
  decode: number;
  amount: number;
}

export interface ConservedShares {
  total: number;
  charged: Charge[];
  requests: number;
  idle: number;
  unattributed: number;
  unknownNs: Nanoseconds;
  scale: number;
}

/**
 * Charges each request its work at the fitted costs, and scales all charges by one factor, so that requests + idle +
 * unattributed = total in whole quanta. One factor for the whole run rather than one for each window: a window's
 * residual is mostly work that was placed in its neighbour, and scaling each window by itself had 1.2 to 1.8 times the
 * error (README.md). Says why where the fit explains nothing of the requests' part.
 */
export function conservedShares(
  { windows, requests, totals }: Design,
  { costs, idleCost }: Fit,
  { quantum }: { quantum: number },
): ConservedShares | string {
  let total = 0;
  let idleTime = 0;
  let beyond = 0;
  for (const [at, amount] of windows.amount.entries()) {
    total += Math.round(amount / quantum);
    idleTime += windows.idleNs[at]!;
    if (windows.isUnknown[at] === 0) continue;
    const known = costs.reduce((sum, cost, kind) => sum + cost * totals[kind]![at]!, 0);
    beyond += Math.max(0, amount - known - idleCost * windows.idleNs[at]!);
  }
  const raw = requests.map(({ windows: width, work }) => {
    const of = (kinds: readonly number[]) =>
      kinds.reduce((sum, kind) => {
        let own = 0;
        for (let w = 0; w < width; w++) own += work[kind * width + w]!;
        return sum + costs[kind]! * own;
      }, 0);
    return { prefill: of([0, 1]), decode: of([2, 3, 4]) };
  });
  const charges = raw.reduce((sum, { prefill, decode }) => sum + prefill + decode, 0);
  if (!(charges > 0)) return 'Nothing of what the counter showed follows the work of the requests.';
  const idle = Math.min(total, Math.round((idleTime * idleCost) / quantum));
  const unattributed = Math.min(total - idle, Math.round(beyond / quantum));
  const theirs = total - idle - unattributed;
  const parts = wholeShares(
    raw.flatMap(({ prefill, decode }) => [prefill, decode]),
    theirs,
  );
  return {
    total: total * quantum,
    charged: requests.map(({ id }, at) => {
      const [prefill, decode] = [parts[2 * at]! * quantum, parts[2 * at + 1]! * quantum];
      return { id, prefill, decode, amount: prefill + decode };
    }),
    requests: theirs * quantum,
    idle: idle * quantum,
    unattributed: unattributed * quantum,
    unknownNs: windows.unknownNs,
    scale: (theirs * quantum) / charges,
  };
}

/** Whole numbers in proportion to `shares` that add up to `whole`: rounded sums up to each share, less the one before. */
function wholeShares(shares: readonly number[], whole: number): number[] {
  const sum = shares.reduce((total, share) => total + share, 0);
  let upTo = 0;
  let given = 0;
  return shares.map((share, at) => {
    upTo += share;
    const until = at === shares.length - 1 ? whole : Math.min(whole, Math.round((upTo / sum) * whole));
    const own = until - given;
    given = until;
    return own;
  });
}
