/**
 * The quantile at `probability` (0–1) of values listed `counts[i]` times each, as `quantile` of the list
 * written out (type 7). `order` lists the positions by rising value. `NaN` where the list is empty.
 */
export function weightedQuantile(
  values: ArrayLike<number>,
  counts: ArrayLike<number>,
  order: ArrayLike<number>,
  probability: number,
): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  if (total === 0) return Number.NaN;
  const position = (total - 1) * probability;
  const below = Math.floor(position);
  let passed = 0;
  for (let k = 0; k < order.length; k++) {
    const i = order[k]!;
    passed += counts[i]!;
    if (passed <= below) continue;
    if (passed > below + 1 || position === below) return values[i]!;
    // The upper neighbour is the next value that is listed at all.
    let next = k + 1;
    while (next < order.length - 1 && counts[order[next]!] === 0) next++;
    return values[i]! + (values[order[next]!]! - values[i]!) * (position - below);
  }
  return Number.NaN;
}
