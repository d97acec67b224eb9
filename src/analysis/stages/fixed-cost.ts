import { firstUnbounded } from '../../stats/regression/non-negative-fit.js';
import type { Groups, Jackknifed } from './leave-one-out.js';

/** More requests than this are fitted by every so many of them. */
const mostFitted = 2000;

/**
 * The intercept of a line of cost on the columns of tokens that vary, over some requests: relative least squares,
 * no slope below 0. The intercept itself may come out below 0, by noise or where costs follow no line. `costOf` says
 * what a request costs as seen without a group. `null` where no column varies, and nothing tells a fixed cost from one
 * per token.
 */
export function fixedCost(
  tokens: readonly Float64Array[],
  costOf: (request: number, group: number | null) => number,
  requests: Uint32Array,
  groups: Groups | null,
): Jackknifed | null {
  const step = Math.ceil(requests.length / mostFitted);
  const fitted = requests.filter((_, k) => k % step === 0);
  const varying = tokens.filter((column) => fitted.some((i) => column[i] !== column[fitted[0]!]));
  if (varying.length === 0) return null;
  const interceptOf = (rows: Uint32Array, group: number | null) =>
    firstUnbounded(
      [
        new Float64Array(rows.length).fill(1),
        ...varying.map((column) => Float64Array.from(rows, (i) => column[i]!)),
      ],
      Float64Array.from(rows, (i) => costOf(i, group)),
    );
  const value = interceptOf(fitted, null);
  if (value === null) return null;
  const without: number[] = [];
  for (let group = 0; group < (groups?.count ?? 0); group++) {
    const others = fitted.filter((i) => groups!.of[i] !== group);
    const intercept = interceptOf(others, group);
    if (intercept === null || !Number.isFinite(intercept)) return { value, without: null };
    without.push(intercept);
  }
  return { value, without: groups && without };
}
