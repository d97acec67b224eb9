import { expect, it } from 'vitest';
import type { Applied } from '../../analysis/applied/applied.js';
import { renderApplied } from './applied.js';

const log = {
  ...{ name: 'june.jsonl', without: 3, models: ['gpt-x'] },
  ...{ from: Date.UTC(2026, 5, 1), to: Date.UTC(2026, 5, 30) },
};
const none = { requests: 0, tokens: 0 };
const applied: Applied = {
  ...{ model: 'tiny', cells: 16, pipeline: 'plain-chat', reason: null },
  coverage: {
    log: { requests: 1000, tokens: 50_000, cached: 0 },
    covered: { requests: 900, tokens: 40_000 },
    outside: {
      cached: none,
      empty: none,
      prompt: { requests: 100, tokens: 10_000 },
      completion: none,
      between: none,
    },
    measured: { prompt: [16, 512], completion: [8, 128] },
    logged: { prompt: [5, 1200], completion: [8, 100] },
  },
  work: {
    cpuTime: {
      ...{ provenance: 'estimated', unit: 'ns' },
      misbilledShare: { value: 0.12, low: 0.103, high: 0.142 },
      total: { value: 4 * 3.6e12, low: 3.9 * 3.6e12, high: 4.1 * 3.6e12 },
      law: { input: 1, output: 1, request: 1, decodePair: 0, prefillPair: 0 },
      heldOut: {
        medianError: 0.023,
        cells: [
          { cell: 'tiny/p16/c8', measured: 100, predicted: 101 },
          { cell: 'tiny/p512/c8', measured: 100, predicted: 93 },
        ],
      },
      kinds: [
        {
          ...{ prompt: [256, 1023], completion: [4, 15], requests: 50, billShare: 0.3 },
          pays: { value: 1.5, low: 1.4, high: 1.6 },
        },
        {
          ...{ prompt: [16, 63], completion: [64, 255], requests: 850, billShare: 0.7 },
          pays: { value: 0.875, low: 0.8, high: 0.95 },
        },
      ],
    },
  },
};

it('says that all is estimated, what share is misbilled, of how much of the log, and of whom', () => {
  expect(renderApplied(applied, { log, width: 500, color: false })).toBe(
    [
      'Estimated, not measured: what requests of plain chat to tiny cost in 16 measured cells, applied to the lengths in june.jsonl.',
      '',
      'An estimated 12% [10–14%] of a per-token bill of the covered part of this log lands on the wrong requests, by CPU time, of which it takes 4.00 h [3.90–4.10 h] in all.',
      '',
      'Covered: 900 of 1,000 requests, 80% of their 50,000 tokens, 2026-06-01 to 2026-06-30.',
      'Left out, and not extrapolated to: 100 with a prompt outside of the 16 to 512 tokens that were measured (20% of the tokens).',
      '98% of the requests have prompts of 5 to 1,200 tokens and answers of 8 to 100: measure such lengths, by a suite or by `bench --trace`, to cover them.',
      '3 lines hold no usage, and are not counted.',
      '',
      'Farthest from paying what they cost, by CPU time:',
      'requests                                      number  pay × their cost      of the bill',
      'prompts of 256–1,023 tokens, answers of 4–15      50  1.50× [1.40–1.60]      +10 points',
      'prompts of 16–63 tokens, answers of 64–255       850  0.875× [0.800–0.950]   −10 points',
      '',
      'Work of a cell by a law that was fitted to the others is off by 2.3% in the median, 7% at the most (tiny/p512/c8).',
      '',
    ].join('\n'),
  );
});

it('says why nothing can be estimated', () => {
  const text = renderApplied(
    { ...applied, work: {}, reason: 'no request lies within' },
    { log, width: 110, color: false },
  );
  expect(text).toContain('Nothing can be estimated: no request lies within.');
});
