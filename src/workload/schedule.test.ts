import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlannedCell, WorkloadPlan } from './plan.js';
import { requestOf, schedule } from './schedule.js';

function planOf(counts: number[]): WorkloadPlan {
  const cells = counts.map(
    (count, index): PlannedCell => ({
      id: `cell-${index}`,
      model: 'm',
      factors: {},
      request: {
        prompt: { kind: 'synthetic', tokens: 1, seed: 1 },
        completionTokens: 1,
        batch: 1,
        stop: 'forced',
        sampling: { kind: 'greedy' },
      },
      count,
    }),
  );
  return { suite: 's', seed: 1, repetitions: 1, concurrency: 1, cells, questions: [], warnings: [] };
}

const counts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 });
const repetitions = fc.integer({ min: 1, max: 5 });
const seed = fc.integer();

describe('a schedule', () => {
  it('holds every cell its count times in every round', () => {
    fc.assert(
      fc.property(counts, repetitions, seed, (perCell, rounds, drawn) => {
        const scheduled = schedule(planOf(perCell), { repetitions: rounds, seed: drawn });
        const perRound = perCell.reduce((sum, count) => sum + count, 0);
        expect(scheduled).toHaveLength(perRound * rounds);
        for (let round = 0; round < rounds; round++) {
          const ids = scheduled.slice(round * perRound, (round + 1) * perRound).map(({ cell }) => cell.id);
          const expected = perCell.flatMap((count, index) => Array(count).fill(`cell-${index}`));
          expect(ids.sort()).toEqual(expected.sort());
        }
      }),
    );
  });

  it('numbers requests from 0, and each cell’s repetitions without gap or double', () => {
    fc.assert(
      fc.property(counts, repetitions, seed, (perCell, rounds, drawn) => {
        const scheduled = schedule(planOf(perCell), { repetitions: rounds, seed: drawn });
        expect(scheduled.map(({ id }) => id)).toEqual(scheduled.map((_, index) => index));
        for (const [index, count] of perCell.entries()) {
          const own = scheduled.filter(({ cell }) => cell.id === `cell-${index}`);
          const numbers = own.map(({ repetition }) => repetition).sort((a, b) => a - b);
          expect(numbers).toEqual(Array.from({ length: count * rounds }, (_, number) => number));
        }
      }),
    );
  });

  it('is the same for the same seed, and extends one of fewer repetitions', () => {
    fc.assert(
      fc.property(counts, repetitions, seed, (perCell, rounds, drawn) => {
        const plan = planOf(perCell);
        const shorter = schedule(plan, { repetitions: rounds, seed: drawn });
        const longer = schedule(plan, { repetitions: rounds + 1, seed: drawn });
        expect(schedule(plan, { repetitions: rounds, seed: drawn })).toEqual(shorter);
        expect(longer.slice(0, shorter.length)).toEqual(shorter);
      }),
    );
  });

  it('differs between seeds, and between the rounds of one', () => {
    const plan = planOf(Array(12).fill(1));
    const order = (drawn: number) =>
      schedule(plan, { repetitions: 2, seed: drawn }).map(({ cell }) => cell.id);
    // Two of 12! orders agree once in 479 million.
    expect(order(1)).not.toEqual(order(2));
    expect(order(1).slice(0, 12)).not.toEqual(order(1).slice(12));
  });

  it('of more requests than can be planned is refused before it is made', () => {
    for (const rounds of [2 ** 31, Number.MAX_SAFE_INTEGER])
      expect(() => schedule(planOf([1]), { repetitions: rounds, seed: 1 })).toThrow(
        expect.objectContaining({ code: 'too-many-requests', exitCode: 2 }),
      );
  });
});

describe('a schedule in the order of a trace', () => {
  const timed = (...arrivals: (number | null)[]) => ({
    ...planOf([2, 1]),
    timeline: arrivals.map((arrivalNs, index) => ({
      cell: index === 1 ? 'cell-1' : 'cell-0',
      arrivalNs,
      ...{ seed: index, blocks: null, blockSeed: 1 },
    })),
  });
  const options = { repetitions: 2, seed: 1, order: 'trace' as const };

  it('has the requests in its order, with its times and prompts, round after round', () => {
    const scheduled = schedule(timed(0, 30, 100), options);
    expect(scheduled.map(({ id, cell, repetition, atNs }) => [id, cell.id, repetition, atNs])).toEqual([
      [0, 'cell-0', 0, 0],
      [1, 'cell-1', 0, 30],
      [2, 'cell-0', 1, 100],
      // Three requests in 100 ns are 50 ns apart on average.
      [3, 'cell-0', 2, 150],
      [4, 'cell-1', 1, 180],
      [5, 'cell-0', 3, 250],
    ]);
  });

  it('has a prompt of its own for each request, in each round another', () => {
    const plan = timed(0, 30, 100);
    const blocks = { ids: [7, 1], count: 1, size: 16 };
    const timeline = plan.timeline.map((entry) => ({ ...entry, blocks }));
    const prompts = schedule({ ...plan, timeline }, options).map((request) => requestOf(request).prompt);
    expect(prompts.slice(0, 3)).toEqual(
      [0, 1, 2].map((seed) => ({
        ...{ kind: 'synthetic', tokens: 1, seed },
        blocks: { ids: [7], size: 16, seed: 1 },
      })),
    );
    const seeds = prompts.flatMap((prompt) =>
      prompt.kind === 'synthetic' ? [{ own: prompt.seed, shared: prompt.blocks!.seed }] : [],
    );
    expect(new Set(seeds.map(({ own }) => own)).size).toBe(6);
    // Within a round blocks are shared, between rounds they are not.
    expect(new Set(seeds.map(({ shared }) => shared)).size).toBe(2);
  });

  it('keeps the times of the others where a cell is left out', () => {
    const plan = timed(0, 30, 100);
    const scheduled = schedule({ ...plan, cells: plan.cells.slice(0, 1) }, { ...options, repetitions: 1 });
    expect(scheduled.map(({ id, repetition, atNs }) => [id, repetition, atNs])).toEqual([
      [0, 0, 0],
      [1, 1, 100],
    ]);
  });

  it('has no times where the trace has none', () => {
    expect(schedule(timed(null, null, null), options).map(({ atNs }) => atNs)).toEqual(
      Array(6).fill(undefined),
    );
  });

  it('is drawn by seed where it is not asked for, or there is no timeline', () => {
    const drawn = schedule(timed(0, 30, 100), { repetitions: 2, seed: 1 });
    expect(drawn).toEqual(schedule(planOf([2, 1]), { repetitions: 2, seed: 1 }));
    expect(schedule(planOf([2, 1]), options)).toEqual(drawn);
    expect(requestOf(drawn[0]!)).toBe(drawn[0]!.cell.request);
  });
});
