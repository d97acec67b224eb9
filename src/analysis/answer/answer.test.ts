import { describe, expect, it } from 'vitest';
import { findingsOf } from '../findings.js';
import { okRequest, testModel, testResult } from '../result.test-support.js';
import { type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { answerOf } from './answer.js';

/** Input tokens cost 1, output tokens `output`, each request `fee`. */
function priced(output: number, fee = 0): SimulatedCell[] {
  return [16, 64, 256].flatMap((promptTokens) =>
    [8, 32, 64].map((completionTokens) => ({
      promptTokens,
      completionTokens,
      rate: (promptTokens + output * completionTokens + fee) / (promptTokens + completionTokens),
    })),
  );
}

function answerTo(cells: readonly SimulatedCell[], noise = 0.01) {
  const result = simulateResult(cells, { seed: 1, repetitions: 5, noise });
  return answerOf(result, findingsOf(result));
}

describe('the answer', () => {
  const { overpays, underpays, mend, drivers } = answerTo(priced(4));

  it('names the cells at both ends, each on its side of what it costs', () => {
    // Work per token is least at 256 + 8 and most at 16 + 64.
    expect(overpays!.of.factors).toEqual({ promptTokens: 256, completionTokens: 8 });
    expect(underpays!.of.factors).toEqual({ promptTokens: 16, completionTokens: 64 });
    expect(overpays!.low).toBeGreaterThan(1);
    expect(underpays!.high).toBeLessThan(1);
  });

  it('names the price list that the work was made of', () => {
    expect(mend).toMatchObject({ tariff: 'inputOutput' });
    const [{ inputPerToken, outputPerToken }] = mend!.prices as [NonNullable<typeof mend>['prices'][0]];
    expect(outputPerToken / inputPerToken).toBeCloseTo(4, 0);
    expect(drivers).toEqual(['promptTokens']);
  });

  it('takes a fee where input and output prices alone do not mend it', () => {
    expect(answerTo(priced(1, 100)).mend).toMatchObject({ tariff: 'inputOutputFee' });
  });

  it('offers no price list with a negative price', () => {
    // Dearer per token the longer the prompt: a fitted fee or output price is below 0.
    const growing = priced(1).map((cell) => ({ ...cell, rate: cell.promptTokens }));
    expect(answerTo(growing).mend).toBeNull();
  });

  it('names nobody where tokens track the work', () => {
    expect(answerTo(priced(1))).toMatchObject({ overpays: null, underpays: null, mend: null, drivers: [] });
  });
});

it('a difference below 1% is no finding by any statistic, of a metric without noise either', () => {
  const result = simulateResult(
    priced(1).map((cell, index) => ({ ...cell, rate: 1 + 0.002 * (index % 2) })),
    { seed: 1, repetitions: 2, noise: 0 },
  );
  const { misbilledShare, gini, elasticity, rSquared, workPerToken } = findingsOf(result).uniformity.cpuTime!;
  expect(misbilledShare).toMatchObject({ verdict: 'negligible' });
  for (const { verdict } of [gini, elasticity, rSquared.oneRate, workPerToken.cv]) {
    expect(verdict).not.toBe('non-uniform');
  }
});

describe('of the models in a result', () => {
  const cell = { id: 'm/p4/c3', model: 'm', factors: { promptTokens: 4, completionTokens: 3 } };
  const guarded = { ...cell, id: 'm/p4/c3/guarded', factors: { ...cell.factors, pipeline: 'guarded' } };
  const result = testResult({
    models: [testModel('m', 'fp32'), { ...testModel('guard', 'fp32'), roles: ['classifier'] }],
    cells: [cell, guarded],
    requests: [
      okRequest({ tokens: { prompt: 4, completion: 3, cached: 2, reasoning: 0, hidden: 0, processed: 5 } }),
      okRequest({ id: 1, cell: guarded.id, work: { ...okRequest().work, cpuTime: 7700 } }),
    ],
  });
  const { models, helpers, next } = answerOf(result, findingsOf(result));

  it('only those that requests ask are answered for', () => {
    expect(models.map(({ id }) => id)).toEqual(['m']);
    expect(helpers).toEqual([{ id: 'guard', roles: ['classifier'] }]);
  });

  it('speed is that of plain requests: computed prompt tokens by TTFT without queue, 1 by TPOT', () => {
    // 2 tokens in 100 ns, and 50 ns a token.
    expect(models[0]!.speed).toEqual({
      prefill: { value: 2e7, reason: null },
      decode: { value: 2e7, reason: null },
    });
  });

  it('costs are of the mean request and of all tokens together', () => {
    expect(models[0]!.costs).toEqual([
      {
        ...{ metric: 'cpuTime', unit: 'ns', perRequest: 4200, perThousandTokens: 600_000 },
        ...{ cheapest: 100_000, dearest: 1_100_000 },
      },
    ]);
  });

  it('random weights and few repetitions are what to mend next', () => {
    expect(next).toEqual(['repeat', 'real-model']);
  });
});
