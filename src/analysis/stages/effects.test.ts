import { describe, expect, it } from 'vitest';
import { findingsOf } from '../findings.js';
import { type SimulatedCell, type SimulatedStage, simulateResult } from '../simulated-result.test-support.js';

const prompts = [16, 64, 128, 256, 512];
const completions = [16, 128, 256];
const reference: SimulatedCell = {
  promptTokens: 128,
  completionTokens: 128,
  rate: 1,
  stages: [
    { name: 'prefill', cost: 128, billed: 128 },
    { name: 'decode', cost: 128, billed: 128 },
  ],
};

/** Cells of every length, of the stages given; and the reference request, whose plain token costs 1 ms. */
function cellsOf(stages: (prompt: number, completion: number) => SimulatedStage[]): SimulatedCell[] {
  const own = prompts.flatMap((promptTokens) =>
    completions.map((completionTokens) => ({
      promptTokens,
      completionTokens,
      rate: 1,
      stages: stages(promptTokens, completionTokens),
      factors: { pipeline: 'own' },
    })),
  );
  return [{ ...reference, factors: { pipeline: 'plain' } }, ...own];
}
/** No interval of a misbilled share is looked at here. */
const quick = { resamples: 2 };
const exact = { seed: 1, repetitions: 3, noise: 0 };
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function stagesOf(stages: Parameters<typeof cellsOf>[0], simulation = exact) {
  const found = findingsOf(simulateResult(cellsOf(stages), simulation), quick).stages;
  return Object.fromEntries(found.map((stage) => [stage.name, stage]));
}

describe('the table of components', () => {
  const { components, stages } = findingsOf(
    simulateResult(
      cellsOf((prompt, completion) => [
        { name: 'tokenization', cost: 0.5 + 0.01 * prompt },
        { name: 'input safety', type: 'safety', cost: 20 + 0.1 * prompt, tokens: prompt },
        { name: 'cache lookup', type: 'cache', cost: 1 + 0.001 * prompt },
        { name: 'prefill', cost: prompt, billed: prompt },
        { name: 'decode', cost: completion, billed: completion },
        { name: 'cache store', type: 'cache', cost: 2 + 0.002 * prompt },
        { name: 'output safety', type: 'safety', cost: 10 + 0.2 * completion, tokens: completion },
        { name: 'polishing', cost: 5, tokens: 5 },
      ]),
      exact,
    ),
    quick,
  );
  const named = (name: string) => components.find((row) => row.name === name)!;

  it('has one row per component, in the order of the debate, what has no name in it last', () => {
    expect(components.map(({ name, component }) => [name, component])).toEqual([
      ['tokenization', 'Input tokenization'],
      ['prefill', 'Base forward pass (prefill)'],
      ['safety', 'Safety/alignment passes'],
      ['decode', 'Output generation (decode)'],
      ['cache', 'Cache management'],
      ['polishing', 'polishing'],
    ]);
    expect(stages).toHaveLength(8);
  });

  it('adds up the stages of a component, request by request', () => {
    const safety = named('safety');
    expect(safety.fixedEffectiveTokens).toBeCloseTo(30, 6);
    const costs = prompts.flatMap((prompt) =>
      completions.map((completion) => 30 + 0.1 * prompt + 0.2 * completion),
    );
    expect(safety.rangeEffectiveTokens![0]).toBeGreaterThanOrEqual(Math.min(...costs));
    expect(safety.rangeEffectiveTokens![1]).toBeLessThanOrEqual(Math.max(...costs));
    // More than the two stages' own ranges could have between them.
    expect(safety.rangeEffectiveTokens![1]).toBeGreaterThan(20 + 51.2);
    const shareOf = (name: string) => stages.find((stage) => stage.name === name)!.shareOfWork!;
    expect(safety.shareOfWork).toBeCloseTo(shareOf('input safety') + shareOf('output safety'), 12);
    expect(sum(components.map(({ shareOfWork }) => shareOfWork!))).toBeCloseTo(1, 10);
    expect(safety).toMatchObject({ visibility: 'none', visibleShare: 0, ran: 1 });
  });

  it('has a fixed cost of the mean request: of a stage that runs now and then, as much as it runs', () => {
    const { components: rows } = findingsOf(
      simulateResult(
        cellsOf((prompt) => [
          { name: 'input safety', type: 'safety', cost: 20 + 0.1 * prompt, tokens: prompt },
          { name: 'review', type: 'safety', cost: 40 + prompt, tokens: prompt, chance: 0.3 },
        ]),
        { ...exact, repetitions: 60 },
      ),
      quick,
    );
    const safety = rows.find(({ name }) => name === 'safety');
    expect(Math.abs(safety!.fixedEffectiveTokens! - (20 + 0.3 * 40))).toBeLessThan(2);
  });

  it('claims no fixed cost where that of a stage is not known', () => {
    const { components: unclear } = findingsOf(
      simulateResult(
        cellsOf(() => [
          { name: 'input safety', type: 'safety', cost: 20, tokens: 16 },
          { name: 'decode', cost: 128, billed: 128 },
          { name: 'entry', type: 'decode', cost: 10, billed: 5 },
        ]),
        exact,
      ),
      quick,
    );
    const decode = unclear.find(({ name }) => name === 'decode')!;
    expect(decode).toMatchObject({
      fixedEffectiveTokens: null,
      reason: expect.stringContaining('do not vary'),
    });
  });

  it('has the intercept of the whole component, on the bill where it evaluates nothing', () => {
    expect(named('cache').fixedEffectiveTokens).toBeCloseTo(3, 6);
  });

  it('weighs a component of one stage as that stage', () => {
    expect(named('prefill').byMetric).toEqual(stages.find(({ name }) => name === 'prefill')!.byMetric);
  });
});

describe('the stages', () => {
  it('stand in the order in which they run, with their components and shares of work', () => {
    const { stages } = findingsOf(
      simulateResult(
        cellsOf((prompt, completion) => [
          { name: 'tokenization', cost: 0.01 * prompt },
          { name: 'safety', cost: 20 + 0.1 * prompt, tokens: 10 + prompt },
          { name: 'prefill', cost: prompt, billed: prompt },
          { name: 'polishing', cost: 5, tokens: 5 },
          { name: 'decode', cost: completion, billed: completion },
        ]),
        exact,
      ),
      quick,
    );
    expect(stages.map(({ name, component }) => [name, component])).toEqual([
      ['tokenization', 'Input tokenization'],
      ['safety', 'Safety/alignment passes'],
      ['prefill', 'Base forward pass (prefill)'],
      ['polishing', 'polishing'],
      ['decode', 'Output generation (decode)'],
    ]);
    const inPrompts = sum(prompts) * completions.length;
    const inCompletions = sum(completions) * prompts.length;
    const total = 256 + 0.01 * inPrompts + 20 * 15 + 0.1 * inPrompts + inPrompts + 5 * 15 + inCompletions;
    expect(stages[1]!.shareOfWork).toBeCloseTo((20 * 15 + 0.1 * inPrompts) / total, 10);
    expect(sum(stages.map(({ shareOfWork }) => shareOfWork!))).toBeCloseTo(1, 10);
    expect(stages[1]!.byMetric.cpuTime).toMatchObject({ shareOfWork: stages[1]!.shareOfWork });
  });

  it('tells what is fixed from what grows: on its own positions, or on the bill where it evaluates none', () => {
    const { tokenization, safety } = stagesOf((prompt) => [
      { name: 'tokenization', cost: 0.5 + 0.01 * prompt },
      { name: 'safety', cost: 20 + 0.1 * prompt, tokens: prompt },
    ]);
    expect(tokenization!.fixedEffectiveTokens).toBeCloseTo(0.5, 6);
    expect(safety!.fixedEffectiveTokens).toBeCloseTo(20, 6);
    expect(safety!.fixedInterval![0]).toBeCloseTo(20, 4);
    expect(safety!.rangeEffectiveTokens![0]).toBeCloseTo(20 + 1.6, 6);
    expect(safety!.rangeEffectiveTokens![1]).toBeCloseTo(20 + 51.2, 6);
  });

  it('claims no fixed cost where tokens do not vary', () => {
    const { decode } = stagesOf(() => [{ name: 'decode', cost: 128, billed: 128 }]);
    expect(decode).toMatchObject({
      fixedEffectiveTokens: null,
      reason: expect.stringContaining('do not vary'),
    });
  });

  it('counts a stage that runs now and then as 0 where it does not, and says how often it runs', () => {
    const { review } = stagesOf(
      (prompt) => [
        { name: 'prefill', cost: prompt, billed: prompt },
        { name: 'review', cost: 40, tokens: 40, chance: 0.3 },
      ],
      { ...exact, repetitions: 60 },
    );
    expect(Math.abs(review!.ran - 0.3)).toBeLessThan(0.05);
    expect(review!.rangeEffectiveTokens![0]).toBe(0);
    expect(review!.rangeEffectiveTokens![1]).toBeCloseTo(40, 6);
  });

  it('has a fixed cost’s interval by what leaving out a round changes, where a drift of the machine cancels', () => {
    const cells = cellsOf((prompt) => [{ name: 'safety', cost: 20 + 0.1 * prompt, tokens: prompt }]);
    const run = (noise: number) => simulateResult(cells, { seed: 1, repetitions: 3, noise, drift: 0.2 });
    const fixedOf = (result: ReturnType<typeof run>) =>
      findingsOf(result, quick).stages.find(({ name }) => name === 'safety')!;
    const [low, high] = fixedOf(run(0)).fixedInterval!;
    expect(low).toBeCloseTo(20, 6);
    expect(high).toBeCloseTo(20, 6);

    const noisy = run(0.05);
    const without = [0, 1, 2].map((round) => {
      const requests = noisy.requests.filter(({ repetition }) => repetition !== round);
      return fixedOf({ ...noisy, requests }).fixedEffectiveTokens!;
    });
    const mean = sum(without) / 3;
    const error = Math.sqrt((2 / 3) * sum(without.map((value) => (value - mean) ** 2)));
    const { fixedInterval, fixedEffectiveTokens } = fixedOf(noisy);
    // t(0.975, 2) = 4.3027.
    expect(fixedInterval![1] - fixedEffectiveTokens!).toBeCloseTo(4.3027 * error, 3);
  });

  it('has no interval of one round, and none that reaches below 0', () => {
    const of = (repetitions: number, cost: (prompt: number) => number) => {
      const cells = cellsOf((prompt) => [{ name: 'safety', cost: cost(prompt), tokens: prompt }]);
      const run = simulateResult(cells, { seed: 3, repetitions, noise: 0.05 });
      const { stages } = findingsOf(run, { ...quick, design: 'fixed' });
      return stages.find(({ name }) => name === 'safety');
    };
    expect(of(1, (prompt) => 20 + prompt)).toMatchObject({ fixedInterval: null });
    expect(of(3, (prompt) => prompt ** 2)).toMatchObject({ fixedEffectiveTokens: 0, fixedInterval: [0, 0] });
  });

  it('weighs a stage of another model in plain tokens of the model that the request is billed for', () => {
    const cells = (['small', 'large'] as const).flatMap((model) =>
      cellsOf((prompt, completion) => [
        { name: 'safety', cost: 10, tokens: 10 },
        { name: 'prefill', cost: prompt, billed: prompt },
        { name: 'decode', cost: completion, billed: completion },
      ]).map((cell) => ({
        ...cell,
        model,
        // The large model's tokens cost tenfold; the classifier costs the same beside either.
        stages: cell.stages!.map((stage) =>
          model === 'large' && stage.name !== 'safety' ? { ...stage, cost: 10 * stage.cost } : stage,
        ),
      })),
    );
    const [safety] = findingsOf(simulateResult(cells, exact), quick).stages;
    expect(safety!.rangeEffectiveTokens![0]).toBeCloseTo(1, 8);
    expect(safety!.rangeEffectiveTokens![1]).toBeCloseTo(10, 8);
  });
});

describe('visibility in usage', () => {
  const share = (stage: SimulatedStage | ((prompt: number) => SimulatedStage)) => {
    const found = stagesOf((prompt) => [typeof stage === 'function' ? stage(prompt) : stage]);
    return Object.values(found)[0]!;
  };

  it('is whole for work that grows as the tokens it bills, and none for work that bills no token', () => {
    expect(share((prompt) => ({ name: 'entry', cost: 2 * prompt, billed: prompt })).visibleShare).toBeCloseTo(
      1,
      8,
    );
    const hidden = share((prompt) => ({ name: 'safety', cost: prompt, tokens: prompt }));
    expect(hidden).toMatchObject({ visibleShare: 0, visibility: 'none' });
  });

  it('leaves out what the stage costs regardless of its tokens', () => {
    const found = stagesOf((prompt) => [{ name: 'entry', cost: 100 + prompt, billed: prompt }]);
    expect(found.entry!.visibleShare).toBeCloseTo(sum(prompts) / (5 * 100 + sum(prompts)), 6);
    expect(found.entry!.visibility).toBe('medium');
  });

  it('leaves out positions that no field counts, even where they grow as those that one does', () => {
    const retrieved = share((prompt) => ({
      name: 'entry',
      cost: prompt + 200,
      billed: prompt,
      tokens: prompt + 200,
    }));
    expect(retrieved.visibleShare).toBeCloseTo(sum(prompts) / (5 * 200 + sum(prompts)), 6);
    const rejected = share((prompt) => ({
      name: 'entry',
      cost: 2 * prompt,
      billed: prompt,
      tokens: 10 * prompt,
    }));
    expect(rejected).toMatchObject({ visibleShare: expect.closeTo(0.1, 8), visibility: 'low' });
  });

  it('tells cached tokens from those evaluated', () => {
    const found = stagesOf((prompt, completion) => [
      // Half of the prompt is read from the cache at a tenth of the cost.
      {
        name: 'entry',
        cost: prompt * 0.5 + completion * 0.1,
        billed: prompt + completion,
        tokens: prompt,
        cached: completion,
      },
    ]);
    expect(found.entry!.visibleShare).toBeCloseTo(1, 6);
  });

  it('is lower where work varies beside the count', () => {
    // Cost per token is 1 or 3 in equal parts: the count says 2, and overlaps with (1 + 2) ÷ (1 + 3) of it.
    const cells = cellsOf((prompt) => [{ name: 'entry', cost: prompt, billed: prompt }]).flatMap((cell) =>
      [1, 3].map((times) => ({
        ...cell,
        stages: cell.stages!.map((stage) => ({ ...stage, cost: times * stage.cost })),
      })),
    );
    const found = findingsOf(simulateResult(cells, exact), quick).stages;
    const entry = found.find(({ name }) => name === 'entry')!;
    expect(entry.visibleShare).toBeCloseTo(3 / 4, 6);
  });
});
