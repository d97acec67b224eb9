import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { testResult } from '../../analysis/result.test-support.js';
import { type SimulatedCell, simulateResult } from '../../analysis/simulated-result.test-support.js';
import type { OkRequest, Result } from '../../core/result.js';
import { hiddenWorkSentences } from '../words/stages.js';
import { renderStages } from './stages.js';

const guarded: SimulatedCell[] = [16, 128, 512].flatMap((prompt) =>
  [false, true].map((safety) => ({
    promptTokens: prompt,
    completionTokens: 128,
    rate: 1,
    factors: { safety },
    stages: [
      ...(safety ? [{ name: 'safety', cost: 80 + 0.1 * prompt, tokens: prompt }] : []),
      { name: 'prefill', cost: prompt, billed: prompt },
      { name: 'decode', cost: 128, billed: 128 },
    ],
  })),
);

function textOf(change: (result: Result) => void = () => {}, width = 120): string {
  const result = simulateResult(guarded, { seed: 1, repetitions: 5, noise: 0.01 });
  result.run.questions = [
    {
      text: 'What does a safety pass cost?',
      factor: 'safety',
      baseline: false,
      metric: 'cpuTime',
      per: 'request',
      statistics: ['mean', 'hiddenShare'],
      by: [],
      where: { promptTokens: 128 },
    },
  ];
  change(result);
  return renderStages(findingsOf(result, { resamples: 100 }), { width, color: false }).join('\n\n');
}

describe('stages in a terminal', () => {
  const text = textOf();

  it('say how much work no bill shows, and what the stage that adds most does to the bill', () => {
    expect(text).toMatch(
      /^13% of all CPU time is hidden work, which no bill shows\. The visibility score is 87%/,
    );
    expect(text).toMatch(
      /^Without safety the misbilled share would be .*, which noise alone could give, in place of/m,
    );
  });

  it('name what lies between hidden work and what moves a field, and nothing where nothing does', () => {
    const findings = findingsOf(simulateResult(guarded, { seed: 1, repetitions: 5, noise: 0.01 }));
    const hidden = findings.hiddenWork.cpuTime!;
    const sentence = (value: number, visibilityScore: number) => {
      findings.hiddenWork.cpuTime = { ...hidden, value, visibilityScore };
      return hiddenWorkSentences(findings)[0];
    };
    expect(sentence(0.031, 0.85)).toMatch(/The 12% between them is .* regardless of their tokens/);
    expect(sentence(0.15, 0.85)).not.toContain('between');
  });

  it('have a row per stage: what is fixed, the range, the share of work, and whether usage shows it', () => {
    expect(text).toMatch(/^Safety\/alignment passes +(79|8\d)[\d.]* +\d+[\d.]*–1[23]\d +\d+% +none +/m);
    expect(text).toMatch(/^Base forward pass \(prefill\) +.* high (9\d|100)%/m);
  });

  it('show the waterfall of the requests that are farthest from their bill', () => {
    expect(text).toMatch(/^cell-1: billed 144 tokens, worth 22\d effective tokens by CPU time/m);
    expect(text).toMatch(/^safety .*none +▓+$/m);
  });

  it('answer the suite’s questions in a sentence', () => {
    expect(text).toContain('What does a safety pass cost?\nAt equal billed tokens, safety costs 1.3');
    expect(text).toMatch(/the CPU time of no safety\.$/m);
    expect(text).toMatch(/2\d% of the CPU time of safety is hidden, against 0% with no safety: \+2\d points/);
  });

  it('say that the ledger balances, or which rule fails', () => {
    expect(text).toContain('The stages of 30 requests add up to the whole, in tokens, CPU time.');
    const broken = textOf((result) => {
      for (const request of result.requests as OkRequest[]) request.tokens.cached = 1000;
    }, 400);
    expect(broken).toContain(
      'The ledger does not balance: that cached tokens are part of the prompt fails in 30 cases (request 0: 1000 against 16).',
    );
  });

  it('keep to the width', () => {
    for (const width of [40, 60, 80, 140]) {
      for (const line of textOf(undefined, width).split('\n'))
        expect(line.length, line).toBeLessThanOrEqual(width);
    }
  });

  it('list many answers as a table, and say why a question has none', () => {
    const many = textOf((result) => {
      Object.assign(result.run.questions![0]!, {
        factor: 'promptTokens',
        baseline: 16,
        by: ['completionTokens', 'safety'],
        where: {},
        statistics: ['mean'],
      });
    });
    expect(many).toMatch(/^512 .*× \[.*\] +dearer$/m);
    expect(many.match(/^(128|512) .*dearer$/gm)).toHaveLength(4);
    const none = textOf((result) => Object.assign(result.run.questions![0]!, { baseline: 'maybe' }));
    expect(none).toContain('Not known: no request ran at safety = maybe.');
  });

  it('are silent for a result without stages', () => {
    expect(renderStages(findingsOf(testResult()), { width: 80, color: false })).toEqual([]);
  });
});
