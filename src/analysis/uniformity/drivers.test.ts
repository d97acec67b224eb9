import { describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../../stats/random.js';
import { findingsOf } from '../findings.js';
import { type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';

const driversOf = (cells: readonly SimulatedCell[]) =>
  findingsOf(simulateResult(cells, { seed: 1, repetitions: 1, noise: 0 })).uniformity.cpuTime!.drivers!;
const shares = (cells: readonly SimulatedCell[]) =>
  Object.fromEntries(driversOf(cells).map(({ factor, share }) => [factor, share]));

/** R² by Gram–Schmidt on the columns, an intercept among them. */
function rSquared(columns: readonly number[][], target: readonly number[]): number {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const basis: number[][] = [];
  const residual = (column: readonly number[]) => {
    let rest = [...column];
    // Twice, as once leaves rounding along columns that are nearly dependent.
    for (const unit of [...basis, ...basis]) {
      const along = dot(rest, unit);
      rest = rest.map((x, i) => x - along * unit[i]!);
    }
    return rest;
  };
  for (const column of [target.map(() => 1), ...columns]) {
    const rest = residual(column);
    const length = Math.sqrt(dot(rest, rest));
    if (length > 1e-9 * Math.sqrt(dot(column, column))) basis.push(rest.map((x) => x / length));
  }
  const mean = target.reduce((sum, x) => sum + x, 0) / target.length;
  const total = target.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const rest = residual(target);
  return 1 - dot(rest, rest) / total;
}

/** Shapley values as the mean over all orders in which the players can join. */
function overAllOrders(players: readonly number[][][], target: readonly number[]): number[] {
  const totals = players.map(() => 0);
  let orders = 0;
  const join = (order: readonly number[]) => {
    if (order.length < players.length) {
      for (const player of players.keys()) if (!order.includes(player)) join([...order, player]);
      return;
    }
    orders++;
    const worth = (count: number) =>
      rSquared(
        order.slice(0, count).flatMap((player) => players[player]!),
        target,
      );
    for (const [place, player] of order.entries()) totals[player]! += worth(place + 1) - worth(place);
  };
  join([]);
  return totals.map((total) => total / orders);
}

function bend(values: readonly number[]): number[][] {
  const logs = values.map((value) => Math.log1p(value));
  const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  return [logs, logs.map((value) => (value - mean) ** 2)];
}

/** 40 cells of lengths all of their own, a batch size and a topic, and work that depends on each at random. */
function randomCells(random: Random): SimulatedCell[] {
  const strength = Array.from({ length: 4 }, () => 2 * random.uniform() - 1);
  return Array.from({ length: 40 }, (_, index) => {
    const promptTokens = 16 + 40 * index + random.below(40);
    const completionTokens = 8 + 7 * ((index * 13) % 40) + random.below(7);
    const batch = 1 + random.below(4);
    const topic = 'abc'[random.below(3)]!;
    const log =
      strength[0]! * Math.log(promptTokens) +
      strength[1]! * Math.log(completionTokens) +
      strength[2]! * batch +
      strength[3]! * (topic === 'a' ? 1 : 0) +
      random.uniform();
    return { promptTokens, completionTokens, rate: Math.exp(log), factors: { batch, topic } };
  });
}

describe('drivers', () => {
  it('agree with Shapley shares over all orders of joining on 20 random tables', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cells = randomCells(createRandom(seed));
      const target = cells.map(({ rate }) => Math.log(rate));
      const topics = ['b', 'c'].map((topic) =>
        cells.map(({ factors }) => (factors!.topic === topic ? 1 : 0)),
      );
      const expected = overAllOrders(
        [
          bend(cells.map(({ promptTokens }) => promptTokens)),
          bend(cells.map(({ completionTokens }) => completionTokens)),
          bend(cells.map(({ factors }) => factors!.batch as number)),
          topics,
        ],
        target,
      );
      const found = shares(cells);
      for (const [player, factor] of ['promptTokens', 'completionTokens', 'batch', 'topic'].entries()) {
        expect(found[factor], `${factor}, table ${seed}`).toBeCloseTo(Math.max(0, expected[player]!), 8);
      }
    }
  });

  it('tell lengths apart where every cell has lengths of its own', () => {
    const cells = Array.from({ length: 40 }, (_, index) => ({
      promptTokens: 20 + index * 9,
      completionTokens: 5 + 3 * ((index * 17) % 40),
      rate: 5 + 3 * ((index * 17) % 40),
    }));
    const { completionTokens } = shares(cells);
    // Completion lengths in this order go a little with the prompt lengths, which get their share of that.
    expect(completionTokens).toBeGreaterThan(0.9);
  });

  it('are one factor where one length is in proportion to the other', () => {
    const cells = Array.from({ length: 12 }, (_, index) => ({
      promptTokens: 30 * (index + 1),
      completionTokens: 10 * (index + 1),
      rate: index + 1,
    }));
    expect(Object.keys(shares(cells))).toEqual(['promptTokens = completionTokens', 'unexplained']);
  });

  it('are one factor where two names split the cells alike', () => {
    const cells = Array.from({ length: 12 }, (_, index) => ({
      promptTokens: 30 * (1 + (index >> 2)),
      completionTokens: 10 * (1 + ((index * 7) % 5)),
      rate: 1 + (index % 3),
      factors: { topic: 'abc'[index % 3]!, language: ['de', 'en', 'fr'][index % 3]! },
    }));
    expect(Object.keys(shares(cells))).toContain('topic = language');
  });
});
