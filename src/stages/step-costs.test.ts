import { describe, expect, it } from 'vitest';
import type { CostModel } from '../core/cost.js';
import { costOfSteps, heldByteSeconds, singleTokenSteps } from './step-costs.js';

const term = (coefficient: number, batch = 0, newTokens = 0, pastTokens = 0) => ({
  coefficient,
  batch,
  newTokens,
  pastTokens,
});
const cost: CostModel = {
  // 10·b·n + 2·b·n·(n + p), as of a linear layer and an attention.
  flops: {
    matmul: [term(10, 1, 1), term(2, 1, 2), term(2, 1, 1, 1)],
    executed: [],
    causal: [],
    elementwise: [],
  },
  bytes: {
    weights: [term(100)],
    kvRead: [term(4, 1, 0, 1)],
    kvWritten: [term(4, 1, 1)],
    activations: [term(3, 1, 1)],
  },
  mixture: null,
  parameters: 25,
  kvBytesPerToken: 4,
};

it('sums the steps of a decode to the closed form', () => {
  const [batch, past, count] = [3, 7, 5];
  const { flops, bytesMoved } = costOfSteps(cost, singleTokenSteps(batch, past, count));
  // Σ over i of past + i, for i from 0 to count − 1.
  const pastSum = count * past + (count * (count - 1)) / 2;
  expect(flops).toBe(batch * (10 * count + 2 * (count + pastSum)));
  expect(bytesMoved).toBe(100 * count + batch * (4 * pastSum + 4 * count + 3 * count));
});

it('costs nothing without steps', () => {
  expect(costOfSteps(cost, singleTokenSteps(1, 7, 0))).toEqual({ flops: 0, bytesMoved: 0 });
});

describe('heldByteSeconds', () => {
  const trace = { timesNs: [2e9, 5e9, 6e9], kvBytes: [100, 300, 400] };

  it('integrates what is held, each step from its start on', () => {
    expect(heldByteSeconds(trace, 0, 9e9)).toBe(100 * 2 + 300 * 3 + 400 * 4);
  });

  it('adds up over adjoining stretches', () => {
    const boundaries = [0, 2.5e9, 2.5e9, 7e9, 9e9];
    const parts = boundaries.slice(1).map((to, index) => heldByteSeconds(trace, boundaries[index]!, to));
    expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(heldByteSeconds(trace, 0, 9e9), 9);
  });
});
