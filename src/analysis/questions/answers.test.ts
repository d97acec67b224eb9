import { describe, expect, it } from 'vitest';
import { type Question, questionSchema } from '../../core/question.js';
import { createRandom } from '../../stats/random.js';
import { tableOf } from '../requests/table-builder.js';
import { type SimulatedCell, type Simulation, simulateResult } from '../simulated-result.test-support.js';
import { type Answer, answeredQuestions } from './answers.js';

const cacheQuestion = questionSchema.parse({
  text: 'What does a cache miss cost, at equal billed tokens?',
  factor: 'cache',
  baseline: 'hit',
  metric: 'cpuTime',
  by: ['size'],
});

/** Hits and misses in two sizes; a miss of the small size costs 9.3 times a hit, of the large 4 times. */
const cacheCells: SimulatedCell[] = [
  ['small', 'hit', 10],
  ['small', 'miss', 93],
  ['large', 'hit', 50],
  ['large', 'miss', 200],
].map(([size, cache, cost]) => ({
  promptTokens: 100,
  completionTokens: 10,
  rate: 1,
  factors: { size: size!, cache: cache! },
  stages: [{ name: 'prefill', cost: Number(cost), billed: 110 }],
}));

function answersOf(
  question: Question,
  cells: readonly SimulatedCell[],
  simulation: Simulation,
  design: 'fixed' | 'sampled' = 'fixed',
): Answer[] {
  const result = simulateResult(cells, simulation);
  result.run.questions = [question];
  return answeredQuestions(result, tableOf(result), { design, seed: 1 })[0]!.answers;
}
const exact = { seed: 1, repetitions: 3, noise: 0 };
const coverage = (answers: readonly Answer[], truth: number) =>
  answers.filter(({ low, high }) => low! <= truth && truth <= high!).length / answers.length;
const draws = <Drawn>(count: number, draw: (seed: number) => Drawn) =>
  Array.from({ length: count }, (_, index) => draw(index + 1));

describe('the mean of a level against its baseline', () => {
  it('is a ratio for each combination of the other factors, between cells that differ in the factor alone', () => {
    const answers = answersOf(cacheQuestion, cacheCells, exact);
    expect(answers).toEqual([
      expect.objectContaining({ by: { size: 'small' }, level: 'miss', value: expect.closeTo(9.3, 10) }),
      expect.objectContaining({ by: { size: 'large' }, level: 'miss', value: expect.closeTo(4, 10) }),
    ]);
    expect(answers[0]).toMatchObject({ matched: true, equalBill: true, cells: [1, 1], verdict: 'more' });
    expect(answers[0]!.low).toBeCloseTo(9.3, 10);
  });

  it('compares cells with partners only, and says so where there are none', () => {
    const lonely = { ...cacheCells[1]!, factors: { size: 'small', cache: 'miss', promptKind: 'other' } };
    const [small] = answersOf(cacheQuestion, [...cacheCells, lonely], exact);
    expect(small).toMatchObject({ cells: [1, 1], matched: true });
    const [unmatched] = answersOf(cacheQuestion, [cacheCells[0]!, lonely], exact);
    expect(unmatched).toMatchObject({ matched: false, value: expect.closeTo(9.3, 10) });
  });

  it('takes all cells that differ by luck alone, at each combination of the other factors', () => {
    const [hit, miss] = cacheCells as [SimulatedCell, SimulatedCell];
    const lucky = (cost: number) => ({ ...miss, stages: [{ name: 'prefill', cost, billed: 110 }] });
    const other = { ...miss, factors: { ...miss.factors, promptKind: 'other' } };
    const [small] = answersOf(cacheQuestion, [hit, lucky(20), lucky(30), lucky(70), other], exact);
    expect(small).toMatchObject({ cells: [1, 3], matched: false, value: expect.closeTo(4, 10) });
  });

  it('has an interval that covers the truth in 93% to 97% of 400 noisy runs, a drifting machine or not', () => {
    for (const drift of [0, 0.1]) {
      const answers = draws(400, (seed) =>
        answersOf(cacheQuestion, cacheCells, { seed, repetitions: 5, noise: 0.05, drift }),
      ).map(([small]) => small!);
      expect(coverage(answers, 9.3)).toBeGreaterThanOrEqual(0.93);
      expect(coverage(answers, 9.3)).toBeLessThanOrEqual(0.97);
      // Drift falls on both sides alike: five repetitions at 5% tell the ratio to 10%.
      expect(answers.every(({ low, high }) => high! / low! < 1.4)).toBe(true);
    }
  });

  it('claims a difference in at most 5% of runs where there is none, and equality only within 1%', () => {
    const equal = cacheCells.map((cell) => ({
      ...cell,
      stages: [{ name: 'prefill', cost: 10, billed: 110 }],
    }));
    const answers = draws(400, (seed) =>
      answersOf(cacheQuestion, equal, { seed, repetitions: 5, noise: 0.05 }),
    ).map(([small]) => small!);
    const claimed = answers.filter(({ verdict }) => verdict === 'more' || verdict === 'less').length;
    expect(claimed / 400).toBeLessThanOrEqual(0.07);
    expect(answers.some(({ verdict }) => verdict === 'same')).toBe(false);
    expect(answersOf(cacheQuestion, equal, exact)[0]!.verdict).toBe('same');
  });

  it('covers a population’s ratio where cells are a sample of it', () => {
    const question = questionSchema.parse({ ...cacheQuestion, by: [] });
    const truth = 3;
    const answers = draws(300, (seed) => {
      const random = createRandom(seed);
      const cells = Array.from({ length: 30 }, (_, index) => {
        const cost = 10 + 90 * random.uniform();
        return ['hit', 'miss'].map(
          (cache): SimulatedCell => ({
            promptTokens: 100,
            completionTokens: 10,
            rate: 1,
            factors: { cache, index },
            // A miss costs three times a hit in the mean, twice to four times in the single case.
            stages: [
              {
                name: 'prefill',
                cost: cache === 'hit' ? cost : cost * (2 + 2 * random.uniform()),
                billed: 110,
              },
            ],
          }),
        );
      }).flat();
      return answersOf(question, cells, { seed, repetitions: 1, noise: 0 }, 'sampled')[0]!;
    });
    expect(coverage(answers, truth)).toBeGreaterThanOrEqual(0.92);
    expect(coverage(answers, truth)).toBeLessThanOrEqual(0.98);
  });

  it('is weighed per billed token, or per sequence of a batch', () => {
    const cells = [1, 8].map((batch) => ({
      promptTokens: 10 * batch,
      completionTokens: 10 * batch,
      rate: batch === 1 ? 1 : 0.25,
      factors: { batch },
    }));
    const question = { ...cacheQuestion, factor: 'batch', baseline: 1, by: [] };
    const ratio = (per: Question['per']) => answersOf({ ...question, per }, cells, exact)[0]!.value;
    expect(ratio('request')).toBeCloseTo(2, 10);
    expect(ratio('billedToken')).toBeCloseTo(0.25, 10);
    expect(ratio('sequence')).toBeCloseTo(0.25, 10);
  });
});

describe('the variation of a level against its baseline', () => {
  const question = questionSchema.parse({
    text: 'Does speculation make cost more or less predictable?',
    factor: 'speculation',
    baseline: 'off',
    metric: 'cpuTime',
    per: 'billedToken',
    statistics: ['variation'],
  });
  /** Costs of ten prompts that vary by the given coefficient, evenly spaced. */
  const cells = (level: string, variation: number): SimulatedCell[] => {
    const steps = Array.from({ length: 10 }, (_, k) => k - 4.5);
    const sd = Math.sqrt(steps.reduce((sum, step) => sum + step ** 2, 0) / 9);
    return steps.map((step, index) => ({
      promptTokens: 50,
      completionTokens: 50,
      rate: 1 + (variation * step) / sd,
      factors: { speculation: level, index },
    }));
  };
  const both = [...cells('off', 0.05), ...cells('draft', 0.15)];

  it('is the ratio of the coefficients of variation over cells', () => {
    const [answer] = answersOf(question, both, exact);
    expect(answer).toMatchObject({
      atBaseline: expect.closeTo(0.05, 10),
      atLevel: expect.closeTo(0.15, 10),
      value: expect.closeTo(3, 8),
      verdict: 'more',
    });
  });

  it('takes the noise between repetitions out, and covers the truth in 92% to 98% of 300 runs', () => {
    const answers = draws(
      300,
      (seed) => answersOf(question, both, { seed, repetitions: 5, noise: 0.04 })[0]!,
    );
    expect(coverage(answers, 3)).toBeGreaterThanOrEqual(0.92);
    expect(coverage(answers, 3)).toBeLessThanOrEqual(0.98);
    const mean = answers.reduce((sum, { value }) => sum + Math.log(value!), 0) / answers.length;
    expect(Math.abs(Math.exp(mean) - 3)).toBeLessThan(0.15);
  });

  it('covers a population’s ratio where prompts are a sample of it', () => {
    const answers = draws(300, (seed) => {
      const random = createRandom(seed);
      const sampled = ['off', 'draft'].flatMap((speculation) =>
        Array.from(
          { length: 40 },
          (): SimulatedCell => ({
            promptTokens: 50,
            completionTokens: 50,
            rate: 1 + (speculation === 'off' ? 0.2 : 0.4) * (random.uniform() - 0.5),
            factors: { speculation, index: random.uniform() },
          }),
        ),
      );
      return answersOf(question, sampled, { seed, repetitions: 1, noise: 0 }, 'sampled')[0]!;
    });
    expect(coverage(answers, 2)).toBeGreaterThanOrEqual(0.92);
    expect(coverage(answers, 2)).toBeLessThanOrEqual(0.98);
  });

  it('is not known where a level varies by noise alone, and says of each side what is', () => {
    const [answer] = answersOf(question, [...cells('off', 0), ...cells('draft', 0.15)], exact);
    expect(answer).toMatchObject({ value: null, atBaseline: null, atLevel: expect.closeTo(0.15, 8) });
    expect(answer!.reason).toMatch(/noise/);
  });
});

describe('the hidden share of a level', () => {
  it('is set beside the baseline’s, with their difference', () => {
    const guard = { name: 'safety', cost: 30, tokens: 30 };
    const prefill = { name: 'prefill', cost: 70, billed: 70 };
    const cells = [[prefill], [guard, prefill]].map((stages, index) => ({
      promptTokens: 60,
      completionTokens: 10,
      rate: 1,
      factors: { guarded: index === 1 },
      stages,
    }));
    const question = questionSchema.parse({
      ...cacheQuestion,
      factor: 'guarded',
      baseline: false,
      statistics: ['hiddenShare'],
      by: [],
    });
    const [answer] = answersOf(question, cells, exact);
    expect(answer).toMatchObject({ atBaseline: 0, atLevel: expect.closeTo(0.3, 10), verdict: 'more' });
    expect(answer!.value).toBeCloseTo(0.3, 10);
  });
});

describe('questions without an answer', () => {
  const question = (change: Partial<Question>) => {
    const result = simulateResult(cacheCells, exact);
    result.run.questions = [{ ...cacheQuestion, ...change }];
    return answeredQuestions(result, tableOf(result), { design: 'fixed', seed: 1 })[0]!;
  };

  it.each<[string, Partial<Question>, RegExp]>([
    ['a level that did not run', { baseline: 'warm' }, /no request ran at cache = warm/],
    ['a factor that no cell has', { factor: 'weather' }, /no request that takes part/],
    ['a metric that was not measured', { metric: 'energy' }, /measured energy/],
    ['one level alone', { where: { cache: 'hit' } }, /every request ran at cache = hit/],
  ])('say why: %s', (_, change, reason) => {
    const { answers, reason: why } = question(change);
    expect(answers).toEqual([]);
    expect(why).toMatch(reason);
  });

  it('and an answer without an interval too', () => {
    const [answer] = answersOf(cacheQuestion, cacheCells, { ...exact, repetitions: 1 });
    expect(answer).toMatchObject({ value: expect.closeTo(9.3, 10), low: null, verdict: null });
    expect(answer!.reason).toMatch(/no cell was repeated/);
  });

  it('are none where the run asked nothing', () => {
    const unasked = simulateResult(cacheCells, exact);
    expect(answeredQuestions(unasked, tableOf(unasked), { design: 'fixed', seed: 1 })).toEqual([]);
  });
});
