/** Added up in their order. */
export function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

/** Adds columns of one length entry by entry to `sums`. */
export function addColumns(
  columns: readonly Float64Array[],
  sums: Float64Array = new Float64Array(columns[0]!.length),
): Float64Array {
  for (const column of columns) for (let i = 0; i < sums.length; i++) sums[i]! += column[i]!;
  return sums;
}
