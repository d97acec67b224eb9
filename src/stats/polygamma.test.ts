import { expect, it } from 'vitest';
import { digamma, inverseTrigamma, trigamma } from './variance-shrinkage.js';

const euler = 0.5772156649015329;

it('digamma and trigamma have their closed forms at 1, 1/2 and 5', () => {
  expect(digamma(1)).toBeCloseTo(-euler, 12);
  expect(digamma(0.5)).toBeCloseTo(-euler - 2 * Math.LN2, 12);
  expect(digamma(5)).toBeCloseTo(-euler + 1 + 1 / 2 + 1 / 3 + 1 / 4, 12);
  expect(trigamma(1)).toBeCloseTo(Math.PI ** 2 / 6, 12);
  expect(trigamma(0.5)).toBeCloseTo(Math.PI ** 2 / 2, 12);
  expect(trigamma(5)).toBeCloseTo(Math.PI ** 2 / 6 - 1 - 1 / 4 - 1 / 9 - 1 / 16, 12);
});

it('the inverse of trigamma finds where its values came from', () => {
  for (const x of [0.01, 0.5, 1, 5, 1e6]) expect(inverseTrigamma(trigamma(x)) / x).toBeCloseTo(1, 9);
});
