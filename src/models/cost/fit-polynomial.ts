import { evaluate, type Polynomial, type StepShape } from '../../core/cost.js';

/** Highest powers a cost may have in batch, new tokens and past tokens. */
const degrees = [1, 2, 1] as const;
/** Start of the fit: small, and away from the special cases of one new token and no past. */
const origin: StepShape = { batch: 1, newTokens: 2, pastTokens: 1 };

/** The points at which a cost must be known to fit its polynomial. */
export const fitPoints: StepShape[] = grid();

/** Points the fit has not seen: a prompt without a past, one decode step, and a batch of both. */
export const heldOutPoints: StepShape[] = [
  { batch: 1, newTokens: 9, pastTokens: 0 },
  { batch: 1, newTokens: 1, pastTokens: 11 },
  { batch: 3, newTokens: 6, pastTokens: 5 },
];

/**
 * The polynomial through `values` at `fitPoints`, exact: forward differences of integers in Newton's form,
 * whose only denominator is 2. Whether the cost is such a polynomial at all shows at `heldOutPoints`.
 */
export function fitPolynomial(values: readonly number[]): Polynomial {
  const [rows, columns, layers] = degrees.map((degree) => degree + 1) as [number, number, number];
  const at = (i: number, j: number, k: number) => values[(i * columns + j) * layers + k]!;
  const cube = Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) =>
      monomials(
        Array.from({ length: layers }, (_, k) => at(i, j, k)),
        origin.pastTokens,
      ),
    ),
  );
  const alongNew = cube.map((plane) =>
    Array.from({ length: layers }, (_, k) =>
      monomials(
        plane.map((row) => row[k]!),
        origin.newTokens,
      ),
    ),
  );
  const polynomial: Polynomial = [];
  for (let k = 0; k < layers; k++) {
    for (let j = 0; j < columns; j++) {
      monomials(
        alongNew.map((plane) => plane[k]![j]!),
        origin.batch,
      ).forEach((coefficient, i) => {
        if (coefficient !== 0) polynomial.push({ coefficient, batch: i, newTokens: j, pastTokens: k });
      });
    }
  }
  return polynomial;
}

/** Whether `polynomial` gives exactly `values` at `heldOutPoints`. */
export function holds(polynomial: Polynomial, values: readonly number[]): boolean {
  return heldOutPoints.every((point, index) => evaluate(polynomial, point) === values[index]);
}

function grid(): StepShape[] {
  const points: StepShape[] = [];
  for (let i = 0; i <= degrees[0]; i++)
    for (let j = 0; j <= degrees[1]; j++)
      for (let k = 0; k <= degrees[2]; k++)
        points.push({
          batch: origin.batch + i,
          newTokens: origin.newTokens + j,
          pastTokens: origin.pastTokens + k,
        });
  return points;
}

/** Coefficients of 1, x, x² of the polynomial through `values` at x = start, start + 1, … (2 or 3 values). */
function monomials(values: readonly number[], start: number): number[] {
  const [first, second, third] = values as [number, number, number | undefined];
  const slope = second - first;
  const curve = third === undefined ? 0 : (third - 2 * second + first) / 2;
  // first + slope·(x − s) + curve·(x − s)(x − s − 1)
  const constant = first - slope * start + curve * start * (start + 1);
  const linear = slope - curve * (2 * start + 1);
  return third === undefined ? [constant, linear] : [constant, linear, curve];
}
