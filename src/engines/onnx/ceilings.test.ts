import { describe, expect, it } from 'vitest';
import { widenHalf } from '../../models/half.js';
import { BoundRun } from './native/bound-run.js';
import { Memory } from './native/memory.js';
import { productChain, productOfInputs, productWithWeights, sumChain } from './product-graph.js';

/** Fills `memory` with the number one. */
function ones(memory: Memory, dtype: 'fp32' | 'fp16', elements: number): void {
  const bytes =
    dtype === 'fp32' ? new Float32Array(elements).fill(1) : new Uint16Array(elements).fill(0x3c00);
  memory.bytes(0, bytes.byteLength).set(new Uint8Array(bytes.buffer));
}

function numbers(memory: Memory, dtype: 'fp32' | 'fp16', elements: number): number[] {
  const copy = memory.bytes(0, elements * (dtype === 'fp32' ? 4 : 2)).slice().buffer;
  if (dtype === 'fp32') return [...new Float32Array(copy)];
  const wide = new Float32Array(elements);
  widenHalf(new Uint16Array(copy), wide);
  return [...wide];
}

describe('the models the ceilings are measured with', () => {
  // Weights are 2^-7, but 25·2^-7 as 8-bit codes (153 about the zero point 128), and x is all ones.
  it.each([
    ['fp32', 64 * 2 ** -7],
    ['fp16', 64 * 2 ** -7],
    ['int8', 64 * 25 * 2 ** -7],
    ['q4', 64 * 2 ** -7],
  ] as const)('multiply by %s weights', (dtype, expected) => {
    const shape = { rows: 3, inner: 64, columns: 48 };
    const activations = dtype === 'fp16' ? 'fp16' : 'fp32';
    const [x, y] = [new Memory(3 * 64 * 4), new Memory(3 * 48 * 4)];
    ones(x, activations, 3 * 64);
    const run = new BoundRun(
      productWithWeights(dtype, shape),
      { threads: 1 },
      [{ name: 'x', dtype: activations, shape: [3, 64], memory: x }],
      [{ name: 'y', dtype: activations, shape: [3, 48], memory: y }],
    );
    run.run();
    for (const value of numbers(y, activations, 3 * 48)) expect(value).toBeCloseTo(expected, 2);
    run.close();
  });

  // Weights of 1 ÷ size keep ones at one, but 25 ÷ size as 8-bit codes: 25² after two products.
  it.each([
    ['fp32', 1],
    ['fp16', 1],
    ['int8', 625],
    ['q4', 1],
  ] as const)('multiply by %s weights again and again', (dtype, expected) => {
    const activations = dtype === 'fp16' ? 'fp16' : 'fp32';
    const [x, y] = [new Memory(64 * 4), new Memory(64 * 4)];
    ones(x, activations, 64);
    const run = new BoundRun(
      productChain(dtype, { rows: 5, size: 64, links: 2 }),
      { threads: 1 },
      [{ name: 'x', dtype: activations, shape: [1, 64], memory: x }],
      [{ name: 'y', dtype: activations, shape: [1, 64], memory: y }],
    );
    run.run();
    for (const value of numbers(y, activations, 64)) expect(value / expected).toBeCloseTo(1, 2);
    run.close();
  });

  it('add the same matrix again and again', () => {
    const [x, y] = [new Memory(64 * 4), new Memory(64 * 4)];
    ones(x, 'fp32', 64);
    const run = new BoundRun(
      sumChain('fp32', { size: 64, links: 8 }),
      { threads: 1 },
      [{ name: 'x', dtype: 'fp32', shape: [1, 64], memory: x }],
      [{ name: 'y', dtype: 'fp32', shape: [1, 64], memory: y }],
    );
    run.run();
    expect(numbers(y, 'fp32', 64)).toEqual(new Array(64).fill(1 + 8 / 64));
    run.close();
  });

  it('multiply two inputs', () => {
    const [x, w, y] = [new Memory(4 * 16), new Memory(4 * 16 * 8), new Memory(4 * 8)];
    ones(x, 'fp32', 16);
    ones(w, 'fp32', 16 * 8);
    const run = new BoundRun(
      productOfInputs({ rows: 1, inner: 16, columns: 8 }),
      { threads: 1 },
      [
        { name: 'x', dtype: 'fp32', shape: [1, 16], memory: x },
        { name: 'w', dtype: 'fp32', shape: [16, 8], memory: w },
      ],
      [{ name: 'y', dtype: 'fp32', shape: [1, 8], memory: y }],
    );
    run.run();
    expect(numbers(y, 'fp32', 8)).toEqual(new Array(8).fill(16));
    run.close();
  });
});
