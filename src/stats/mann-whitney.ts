import { normalUpperTail } from './normal.js';
import { rank } from './rank.js';

export interface MannWhitney {
  /** Pairs in which the first sample's value is the larger, ties counting half. */
  u: number;
  /** Two-sided. */
  pValue: number;
  method: 'exact' | 'normal';
}

/** Largest sample for which the exact distribution is used: beyond it the normal one is as good. */
const largestExact = 50;

/**
 * Mann–Whitney U test (Wilcoxon's rank sum). Exact up to 50 values a side without ties; otherwise the
 * normal approximation with the variance corrected for ties and for continuity, as in R's `wilcox.test`.
 * `null` where a side is empty.
 */
export function mannWhitney(first: readonly number[], second: readonly number[]): MannWhitney | null {
  const [m, n] = [first.length, second.length];
  if (m === 0 || n === 0) return null;
  const { ranks, ties } = rank([...first, ...second]);
  const u = ranks.slice(0, m).reduce((sum, value) => sum + value, 0) - (m * (m + 1)) / 2;
  const tied = ties.some((size) => size > 1);
  if (!tied && m <= largestExact && n <= largestExact) return { u, pValue: exactP(u, m, n), method: 'exact' };

  const total = m + n;
  const excess = ties.reduce((sum, size) => sum + (size ** 3 - size), 0);
  const variance = ((m * n) / 12) * (total + 1 - excess / (total * (total - 1)));
  if (!(variance > 0)) return { u, pValue: 1, method: 'normal' };
  const distance = Math.max(0, Math.abs(u - (m * n) / 2) - 0.5);
  return { u, pValue: Math.min(1, 2 * normalUpperTail(distance / Math.sqrt(variance))), method: 'normal' };
}

/** The smallest two-sided p-value that `m` against `n` values can give: the complete separation of both. */
export function smallestPValue(m: number, n: number): number {
  let arrangements = 1;
  for (let k = 1; k <= Math.min(m, n); k++) arrangements *= (m + n + 1 - k) / k;
  return Math.min(1, 2 / arrangements);
}

/** P(U ≤ min(u, mn − u)) twice: the arrangements of ranks with a given U, over all of them. */
function exactP(u: number, m: number, n: number): number {
  const counts = arrangementsByU(m, n);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const tail = counts.slice(0, Math.min(u, m * n - u) + 1).reduce((sum, count) => sum + count, 0);
  return Math.min(1, (2 * tail) / total);
}

/** The number of the C(m+n, m) arrangements with each U: the coefficients of the Gaussian binomial. */
function arrangementsByU(m: number, n: number): Float64Array {
  const largest = m * n;
  const counts = new Float64Array(largest + 1);
  counts[0] = 1;
  for (let k = 1; k <= m; k++) {
    for (let u = largest; u >= n + k; u--) counts[u]! -= counts[u - n - k]!;
    for (let u = k; u <= largest; u++) counts[u]! += counts[u - k]!;
  }
  return counts;
}
