/** A weighted least-squares fit of `y` on `columns`. */
export interface LinearFit {
  coefficients: number[];
  fitted: Float64Array;
  /** Diagonal of the hat matrix: how far each observation pulls its own fitted value, 0 to 1. */
  leverage: Float64Array;
}

/**
 * Fits y ≈ Σ coefficient · column by weighted least squares (weights 1 where absent; an observation of
 * weight 0 is predicted, not fitted). `null` where the columns do not determine the coefficients.
 */
export function fitLinear(
  columns: readonly ArrayLike<number>[],
  y: ArrayLike<number>,
  weights?: ArrayLike<number>,
): LinearFit | null {
  const rows = y.length;
  const weight = new Float64Array(rows).fill(1);
  if (weights !== undefined) weight.set(weights);
  const products = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += weight[i]! * a[i]! * b[i]!;
    return sum;
  };
  const gram = columns.map((a, row) => columns.slice(0, row + 1).map((b) => products(a, b)));
  const inverse = invertSymmetric(gram);
  if (inverse === null) return null;
  const moments = columns.map((column) => products(column, y));
  const coefficients = inverse.map((row) => row.reduce((sum, value, a) => sum + value * moments[a]!, 0));
  const fitted = new Float64Array(rows);
  const leverage = new Float64Array(rows);
  for (const [a, column] of columns.entries()) {
    const coefficient = coefficients[a]!;
    for (let i = 0; i < rows; i++) fitted[i]! += coefficient * column[i]!;
    for (const [b, other] of columns.entries()) {
      const entry = inverse[a]![b]!;
      for (let i = 0; i < rows; i++) leverage[i]! += entry * column[i]! * other[i]! * weight[i]!;
    }
  }
  return { coefficients, fitted, leverage };
}

/**
 * The inverse of a symmetric positive definite matrix (its lower triangle is read), or `null` where it
 * is singular: Cholesky after scaling to a unit diagonal, so that columns of unlike units are told apart
 * from dependent ones.
 */
export function invertSymmetric(matrix: readonly (readonly number[])[]): number[][] | null {
  const lower = choleskyOfScaled(matrix);
  if (lower === null) return null;
  const size = matrix.length;
  const scale = matrix.map((row, a) => 1 / Math.sqrt(row[a]!));
  const columns = scale.map((_, column) => {
    const unit = new Array<number>(size).fill(0);
    unit[column] = 1;
    return substituteBack(lower, substitute(lower, unit));
  });
  return columns.map((_, a) => columns.map((column, b) => column[a]! * scale[a]! * scale[b]!));
}

/** Pivots below this share of their column's square are rounding: the column depends on those before it. */
const smallestPivot = 1e-10;

/** Cholesky factor of the matrix scaled to a unit diagonal, or `null` where a pivot vanishes. */
function choleskyOfScaled(matrix: readonly (readonly number[])[]): number[][] | null {
  const size = matrix.length;
  const lower = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let a = 0; a < size; a++) {
    if (!(matrix[a]![a]! > 0)) return null;
    for (let b = 0; b <= a; b++) {
      // One root after the other: of a column near 1e-79 the product of both squares is below the smallest number.
      let sum = matrix[a]![b]! / Math.sqrt(matrix[a]![a]!) / Math.sqrt(matrix[b]![b]!);
      for (let k = 0; k < b; k++) sum -= lower[a]![k]! * lower[b]![k]!;
      if (a !== b) lower[a]![b] = sum / lower[b]![b]!;
      else if (sum > smallestPivot) lower[a]![a] = Math.sqrt(sum);
      else return null;
    }
  }
  return lower;
}

function substitute(lower: readonly (readonly number[])[], right: readonly number[]): number[] {
  const solved: number[] = [];
  for (let a = 0; a < right.length; a++) {
    let sum = right[a]!;
    for (let k = 0; k < a; k++) sum -= lower[a]![k]! * solved[k]!;
    solved.push(sum / lower[a]![a]!);
  }
  return solved;
}

function substituteBack(lower: readonly (readonly number[])[], right: readonly number[]): number[] {
  const solved = new Array<number>(right.length).fill(0);
  for (let a = right.length - 1; a >= 0; a--) {
    let sum = right[a]!;
    for (let k = a + 1; k < right.length; k++) sum -= lower[k]![a]! * solved[k]!;
    solved[a] = sum / lower[a]![a]!;
  }
  return solved;
}
