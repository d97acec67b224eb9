import { expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { blockLength, drawBlocks } from './block-bootstrap.js';

it('draws neighbours together, around the end too, and every observation about as often', () => {
  const random = createRandom(5);
  const indices = new Uint32Array(12);
  const counts = new Array<number>(10).fill(0);
  let apart = 0;
  for (let drawn = 0; drawn < 1000; drawn++) {
    drawBlocks(indices, 10, 4, random);
    for (const [at, index] of indices.entries()) {
      counts[index]!++;
      if (at % 4 > 0 && index !== (indices[at - 1]! + 1) % 10) apart++;
    }
  }
  expect(apart).toBe(0);
  // 12,000 draws over 10; blocks of 4 spread them by √(1200·4) at most, of which this is four.
  for (const count of counts) expect(Math.abs(count - 1200)).toBeLessThan(280);
});

it('estimates the variance of the mean of dependent observations, which single draws understate', () => {
  // AR(1) with φ = 0.8: n · variance of the mean → σ²/(1 − φ)² = 25, that of single values σ²/(1 − φ²) = 2.78.
  const random = createRandom(6);
  const normal = () => {
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += random.uniform();
    return sum;
  };
  const n = 2000;
  let last = 0;
  const values = Float64Array.from({ length: n }, () => (last = 0.8 * last + normal()));
  const indices = new Uint32Array(n);
  const spread = (length: number) => {
    const means = Array.from({ length: 200 }, () => {
      drawBlocks(indices, n, length, random);
      let sum = 0;
      for (const index of indices) sum += values[index]!;
      return sum / n;
    });
    const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
    return (n * means.reduce((sum, value) => sum + (value - mean) ** 2, 0)) / means.length;
  };
  expect(spread(1)).toBeLessThan(4);
  expect(spread(40)).toBeGreaterThan(15);
  expect(spread(40)).toBeLessThan(35);
});

it('has blocks as long as the dependence reaches, and not too few of them', () => {
  expect(blockLength(1000, 3)).toBe(10);
  expect(blockLength(1000, 25)).toBe(25);
  expect(blockLength(20, 50)).toBe(5);
  expect(blockLength(3, 1)).toBe(1);
});
