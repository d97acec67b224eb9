/** R² of a target on a subset of columns, by their positions. */
type ExplainedBy = (subset: readonly number[]) => number;

/**
 * Prepares R² on any subset of `columns` (each with an intercept), weighted, of any target: sums of squares and
 * products are taken once, so that a subset costs no pass over the data and a target one for each column. A
 * column that depends on others of its subset adds nothing. `null` for a target that does not vary.
 */
export function explainedVariance(
  columns: readonly Float64Array[],
  weights: ArrayLike<number>,
): (target: Float64Array) => ExplainedBy | null {
  const centred = columns.map((column) => {
    const mean = weightedMean(column, weights);
    return column.map((value) => value - mean);
  });
  const gram = centred.map((a) => centred.map((b) => product(a, b, weights)));
  return (target) => {
    const mean = weightedMean(target, weights);
    // What the columns' own means would take of the target's mean is 0.
    const moments = centred.map((column) => product(column, target, weights));
    let [total, scale] = [0, 0];
    for (let i = 0; i < target.length; i++) {
      total += weights[i]! * (target[i]! - mean) ** 2;
      scale += weights[i]! * target[i]! * target[i]!;
    }
    return total <= 1e-20 * scale ? null : explainedBy({ gram, moments, total });
  };
}

function explainedBy({
  gram,
  moments,
  total,
}: {
  gram: number[][];
  moments: number[];
  total: number;
}): ExplainedBy {
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

function product(a: Float64Array, b: Float64Array, weights: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += weights[i]! * a[i]! * b[i]!;
  return sum;
}

function weightedMean(column: Float64Array, weights: ArrayLike<number>): number {
  let [sum, total] = [0, 0];
  for (let i = 0; i < column.length; i++) {
    sum += weights[i]! * column[i]!;
    total += weights[i]!;
  }
  return sum / total;
}
