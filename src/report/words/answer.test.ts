import { describe, expect, it } from 'vitest';
import { answerOf } from '../../analysis/answer/answer.js';
import { findingsOf } from '../../analysis/findings.js';
import { realisticResult } from '../../analysis/result.test-support.js';
import {
  answerSentence,
  costWords,
  machineWords,
  mendSentence,
  modelWords,
  nextSentences,
  speedWords,
  subsidyWords,
} from './answer.js';

const result = realisticResult();
const answer = answerOf(result, findingsOf(result));
const [model] = answer.models as [(typeof answer.models)[number]];

describe('the answer in words', () => {
  it('says whose requests a bill misses by how much, and which prices would not', () => {
    // Made of 4.9 ms a prompt token and 13.7 ms an output token.
    expect(answerSentence(answer)).toMatch(
      /^Tokens do not track the CPU time of smollm2-135m: .+% \[.+%\] of a per-token bill lands on the wrong requests \(noise alone: .+%\)\./,
    );
    expect(answerSentence(answer)).toMatch(/Output tokens at 2\.\d+× the price of input tokens would leave/);
  });

  it('names cells by their lengths', () => {
    expect(subsidyWords(answer.overpays!, answer)).toMatch(
      /^512-token prompt, 8-token answer, pays 1\.\d+× what it costs$/,
    );
    expect(subsidyWords(answer.underpays!, answer)).toMatch(/^16-token prompt, 64-token answer, pays 0\./);
  });

  it('says tokens per second and CPU-ms', () => {
    expect(speedWords(model)).toMatch(/^prefill 20\d tokens\/s, decode 7\d(\.\d)? tokens\/s/);
    expect(costWords(model.costs[0]!)).toMatch(
      /^\d+ CPU-ms per request, \d+ per 1,000 tokens \(\d+–\d+ by cell\)$/,
    );
  });

  it('says which model ran where and when, and what else ran in its requests', () => {
    const helpers = [{ id: 'minilm-l6', roles: ['classifier'] }];
    expect(modelWords(model, { ...answer, helpers })).toBe(
      'smollm2-135m: 135 M parameters, q4, random weights; stages ran minilm-l6 as classifier',
    );
    expect(machineWords(answer)).toBe(
      'AMD EPYC 9B14, 2 cores, 24 GiB; on cpu by onnx 1.30.0, 1 thread; 2026-11-23',
    );
  });

  it('says what to do next', () => {
    expect(nextSentences({ ...answer, next: ['repeat'] })).toEqual([
      'Repeat each cell 5 times (--repetitions 5), for verdicts of diff.',
    ]);
  });

  it('names two prices for several models, whose ratios differ', () => {
    const prices = ['a', 'b'].map((id) => ({
      model: id,
      inputPerToken: 1,
      outputPerToken: 2,
      perRequest: 0,
    }));
    expect(mendSentence({ tariff: 'inputOutputFee', prices, unit: 'ns', misbilledShare: 0.02 })).toBe(
      'A price for input, one for output tokens and a fee per request would leave 2%.',
    );
  });
});

it.each([
  [
    { verdict: 'negligible', value: 0.002, low: 0.002, high: 0.002 },
    /^Tokens track .*less than the 1% worth/,
  ],
  [
    { verdict: 'not distinguishable', value: 0.01, low: 0, high: 0.03 },
    /as well as can be told: 1% .* 3% at most/,
  ],
  [{ verdict: 'not distinguishable', value: 0.01 }, /the wrong requests \(noise alone: 1%\)\.$/],
  [{ verdict: null, value: 0.1, reason: 'nothing was repeated' }, /noise is not known: nothing was repeated/],
  [{ verdict: null, value: null, reason: 'one cell' }, /is not known: one cell\.$/],
] as const)('of %j it claims no more than that', (found, sentence) => {
  const misbilledShare = { low: null, high: null, noiseFloor: 0.01, ...found };
  expect(answerSentence({ ...answer, misbilledShare, drivers: [], mend: null })).toMatch(sentence);
});
