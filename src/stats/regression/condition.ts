/**
 * The condition number of columns, by their products with each other (`gram`), after each is scaled to unit length:
 * the largest singular value ÷ the smallest (Belsley, Kuh & Welsch 1980, Regression Diagnostics, ch. 3: from about 30
 * on columns can hardly be told apart). 1 for columns at right angles; `Infinity` where one depends on others or is 0.
 */
export function conditionNumber(gram: readonly (readonly number[])[]): number {
  const lengths = gram.map((row, at) => Math.sqrt(row[at]!));
  if (lengths.some((length) => !(length > 0))) return Number.POSITIVE_INFINITY;
  const values = symmetricEigenvalues(gram.map((row, a) => row.map((v, b) => v / lengths[a]! / lengths[b]!)));
  const [smallest, largest] = [Math.min(...values), Math.max(...values)];
  // Rounding leaves the smallest eigenvalue of dependent columns anywhere near 0.
  return smallest > 1e-14 * largest ? Math.sqrt(largest / smallest) : Number.POSITIVE_INFINITY;
}

/** Eigenvalues of a symmetric matrix, in no order, by Jacobi rotations (Golub & Van Loan 2013, section 8.5). */
export function symmetricEigenvalues(matrix: readonly (readonly number[])[]): number[] {
  const a = matrix.map((row) => [...row]);
  const size = a.length;
  const norm = Math.sqrt(a.flat().reduce((sum, value) => sum + value * value, 0));
  for (let sweep = 0; sweep < 60; sweep++) {
    let largest = 0;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        largest = Math.max(largest, Math.abs(a[p]![q]!));
        rotate(a, p, q);
      }
    }
    if (largest <= 1e-16 * norm) break;
  }
  return a.map((row, at) => row[at]!);
}

/** Turns the plane of two axes so that their entry off the diagonal vanishes. */
function rotate(a: number[][], p: number, q: number): void {
  const off = a[p]![q]!;
  if (off === 0) return;
  const tau = (a[q]![q]! - a[p]![p]!) / (2 * off);
  const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.hypot(1, tau));
  const c = 1 / Math.hypot(1, t);
  const s = t * c;
  for (let k = 0; k < a.length; k++) {
    const [kp, kq] = [a[k]![p]!, a[k]![q]!];
    a[k]![p] = c * kp - s * kq;
    a[k]![q] = s * kp + c * kq;
  }
  for (let k = 0; k < a.length; k++) {
    const [pk, qk] = [a[p]![k]!, a[q]![k]!];
    a[p]![k] = c * pk - s * qk;
    a[q]![k] = s * pk + c * qk;
  }
}
