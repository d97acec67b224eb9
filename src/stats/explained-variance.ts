/**
 * Prepares R² of `y` on any subset of `columns` (each with an intercept), weighted: sums of squares and
 * products are taken once, so that a subset costs no pass over the data. A column that depends on others
 * of its subset adds nothing. `null` where `y` does not vary.
 */
export function explainedVariance(
  columns: readonly Float64Array[],
  y: Float64Array,
  weights: ArrayLike<number>,
): ((subset: readonly number[]) => number) | null {
  const centred = columns.map((column) => centre(column, weights));
  const target = centre(y, weights);
  const product = (a: Float64Array, b: Float64Array) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += weights[i]! * a[i]! * b[i]!;
    return sum;
  };
  const gram = centred.map((a) => centred.map((b) => product(a, b)));
  const moments = centred.map((column) => product(column, target));
  const total = product(target, target);
  const scale = y.reduce((sum, value, i) => sum + weights[i]! * value * value, 0);
  if (total <= 1e-20 * scale) return null;

  return (subset) => {
    // Cholesky of the subset's Gram matrix, one row at a time; what each row adds to R² is the square of
    // its forward-substituted moment.
    const rows: number[][] = [];
    const kept: number[] = [];
    const solved: number[] = [];
    let explained = 0;
    for (const a of subset) {
      const row: number[] = [];
      for (const [k, b] of kept.entries()) {
        let sum = gram[a]![b]!;
        for (let j = 0; j < k; j++) sum -= row[j]! * rows[k]![j]!;
        row.push(sum / rows[k]![k]!);
      }
      const pivot = gram[a]![a]! - row.reduce((sum, value) => sum + value * value, 0);
      if (!(pivot > 1e-10 * gram[a]![a]!)) continue;
      row.push(Math.sqrt(pivot));
      const moment = row.slice(0, -1).reduce((sum, value, k) => sum - value * solved[k]!, moments[a]!);
      solved.push(moment / Math.sqrt(pivot));
      rows.push(row);
      kept.push(a);
      explained += (moment * moment) / pivot;
    }
    return Math.min(1, explained / total);
  };
}

function centre(column: Float64Array, weights: ArrayLike<number>): Float64Array {
  let [sum, total] = [0, 0];
  for (let i = 0; i < column.length; i++) {
    sum += weights[i]! * column[i]!;
    total += weights[i]!;
  }
  return column.map((value) => value - sum / total);
}
