import { expect, it } from 'vitest';
import { conditionNumber, symmetricEigenvalues } from './condition.js';

it('finds the eigenvalues of the second difference, 2 − 2·cos(kπ/(n + 1))', () => {
  const n = 6;
  const matrix = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0)),
  );
  const found = symmetricEigenvalues(matrix).sort((a, b) => a - b);
  for (const [k, value] of found.entries()) {
    expect(value).toBeCloseTo(2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)), 12);
  }
});

it('says how hard columns are to tell apart, whatever their units', () => {
  // Unit columns at an angle whose cosine is c have singular values √(1 ± c).
  expect(
    conditionNumber([
      [1, 0.8],
      [0.8, 1],
    ]),
  ).toBeCloseTo(3, 12);
  expect(
    conditionNumber([
      [1e18, 0.8e9],
      [0.8e9, 1],
    ]),
  ).toBeCloseTo(3, 12);
  expect(
    conditionNumber([
      [4, 0],
      [0, 9],
    ]),
  ).toBe(1);
});

it('is infinite for columns that depend on each other, and for one of zeros', () => {
  const dependent = [
    [1, 2],
    [2, 4],
  ];
  expect(conditionNumber(dependent)).toBe(Number.POSITIVE_INFINITY);
  expect(
    conditionNumber([
      [1, 0],
      [0, 0],
    ]),
  ).toBe(Number.POSITIVE_INFINITY);
});
