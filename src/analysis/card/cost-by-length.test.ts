import { describe, expect, it } from 'vitest';
import { tableOf } from '../requests/table-builder.js';
import { factorial, type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { totalsOf } from '../uniformity/cell-totals.js';
import { costByBatch, costByLength } from './cost-by-length.js';

const exact = { seed: 1, repetitions: 2, noise: 0 };

function of(cells: readonly SimulatedCell[], hide: (index: number) => boolean = () => false) {
  const result = simulateResult(cells, exact);
  for (const [index, { tokens }] of result.requests.entries()) {
    if (hide(index % cells.length)) Object.assign(tokens!, { hidden: 5 });
  }
  const table = tableOf(result);
  const totals = totalsOf(table, table.metrics.cpuTime);
  return { lengths: costByLength(table, totals), batches: costByBatch(table, totals) };
}

describe('cost by length', () => {
  it('is work per token of each pair of lengths, with gaps where the design has none', () => {
    const cells = factorial([16, 64], [8, 32], (prompt, completion) => prompt + completion / 1000);
    expect(of(cells.slice(0, 3)).lengths).toEqual({
      promptTokens: [
        { from: 16, to: 16 },
        { from: 64, to: 64 },
      ],
      completionTokens: [
        { from: 8, to: 8 },
        { from: 32, to: 32 },
      ],
      perToken: [
        [expect.closeTo(16.008e6, 3), expect.closeTo(16.032e6, 3)],
        [expect.closeTo(64.008e6, 3), null],
      ],
    });
  });

  it('leaves out requests that differ in more than their lengths', () => {
    const plain = factorial([16, 64], [8], () => 1);
    const batched = { ...plain[0]!, rate: 50, factors: { batch: 4 } };
    const { lengths } = of([...plain, batched, { ...plain[1]!, rate: 50 }], (index) => index === 3);
    expect(lengths!.perToken.flat()).toEqual([expect.closeTo(1e6, 3), expect.closeTo(1e6, 3)]);
  });

  it('puts many lengths into bands of about as many requests, none in two and none in none', () => {
    const cells = Array.from({ length: 40 }, (_, index) => ({
      promptTokens: 10 + index,
      completionTokens: 8,
      rate: 1,
    }));
    const { promptTokens } = of(cells).lengths!;
    expect(promptTokens.map(({ from, to }) => to - from + 1)).toEqual([8, 8, 8, 8, 8]);
    expect(promptTokens[0]!.from).toBe(10);
    for (const [index, band] of promptTokens.slice(1).entries()) {
      expect(band.from).toBe(promptTokens[index]!.to + 1);
    }
  });

  it('is none of a single pair of lengths', () => {
    expect(of(factorial([16], [8], () => 1)).lengths).toBeNull();
  });
});

describe('cost by batch', () => {
  it('is the ratio to the same request in the smallest batch, in the geometric mean', () => {
    const at = (promptTokens: number, batch: number, rate: number) => ({
      promptTokens,
      completionTokens: 8,
      rate,
      factors: { batch },
    });
    // 1 → ½ and 1 → ⅛ at a batch of 4: ¼ in the geometric mean. A cell without a partner says nothing.
    const cells = [at(16, 1, 2), at(16, 4, 1), at(64, 1, 8), at(64, 4, 1), at(256, 8, 5)];
    expect(of(cells).batches).toEqual([
      { batch: 1, ratio: 1, cells: 2 },
      { batch: 4, ratio: expect.closeTo(0.25, 12), cells: 2 },
    ]);
    expect(of(factorial([16, 64], [8], () => 1)).batches).toEqual([]);
  });
});
