import { describe, expect, it } from 'vitest';
import type { CostModel } from '../core/cost.js';
import { costOfPasses, costOfSteps, heldByteSeconds, singleTokenSteps } from './step-costs.js';

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
  const { flops, memoryTraffic, activationBytes } = costOfSteps(cost, singleTokenSteps(batch, past, count));
  // Σ over i of past + i, for i from 0 to count − 1.
  const pastSum = count * past + (count * (count - 1)) / 2;
  expect(flops).toBe(batch * (10 * count + 2 * (count + pastSum)));
  expect(memoryTraffic).toBe(100 * count + batch * (4 * pastSum + 4 * count));
  expect(activationBytes).toBe(3 * batch * count);
});

it('costs nothing without steps', () => {
  expect(costOfSteps(cost, singleTokenSteps(1, 7, 0))).toEqual({
    flops: 0,
    memoryTraffic: 0,
    activationBytes: 0,
  });
});

describe('heldByteSeconds', () => {
  const holdings = [
    { untilNs: 2e9, bytes: 100 },
    { untilNs: 5e9, bytes: 300 },
    { untilNs: 9e9, bytes: 400 },
  ];

  it('integrates what is held, each segment from the end of the one before', () => {
    expect(heldByteSeconds(holdings, 0)).toBe(100 * 2 + 300 * 3 + 400 * 4);
  });

  it('adds up over adjoining segments', () => {
    expect(heldByteSeconds(holdings.slice(0, 1), 0) + heldByteSeconds(holdings.slice(1), 2e9)).toBe(
      heldByteSeconds(holdings, 0),
    );
  });
});

it('gives no FLOPs and bytes where a model of a pass was not counted exactly', () => {
  const shape = { batch: 1, newTokens: 1, pastTokens: 7 };
  const partial = { ...cost, notCounted: 'an operator without a rule' };
  expect(
    costOfPasses([
      { cost, shape },
      { cost: partial, shape },
    ]),
  ).toMatchObject({
    flops: null,
    memoryTraffic: null,
    activationBytes: null,
  });
  expect(costOfPasses([{ cost, shape }]).flops).toBeGreaterThan(0);
  // What to expect of it is known all the same.
  expect(costOfSteps(partial, [shape])).toEqual(costOfSteps(cost, [shape]));
});

describe('a mixture', () => {
  const mixture = { layers: 2, experts: 8, expertsPerToken: 2, bytesPerExpert: 1000 };
  const shape = { batch: 1, newTokens: 1, pastTokens: 7 };

  it('is charged for the experts its router chose, and for the expectation where it hides them', () => {
    const pass = { cost: { ...cost, mixture }, shape };
    // Two of eight for one token: 8·(1 − (1 − 2/8)¹).
    const expected = costOfPasses([pass]);
    expect(expected.experts).toEqual({ distinctExperts: 2, expertsFrom: 'expectation' });
    const measured = costOfPasses([{ ...pass, distinctExperts: 5 }]);
    expect(measured.experts).toEqual({ distinctExperts: 5, expertsFrom: 'router' });
    expect(measured.memoryTraffic! - expected.memoryTraffic!).toBe(2 * 3 * 1000);
  });

  it('is not spoken of where there is none', () => {
    expect(costOfPasses([{ cost, shape }]).experts).toBeNull();
  });
});
