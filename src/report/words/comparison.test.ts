import { describe, expect, it } from 'vitest';
import { compareResults } from '../../analysis/compare/compare.js';
import { factorial, simulateResult } from '../../analysis/simulated-result.test-support.js';
import { renderComparisonMarkdown } from '../markdown/comparison.js';
import { renderComparison } from '../terminal/comparison.js';
import { comparisonHeadline } from './comparison.js';

const cells = factorial([16, 64, 256], [8, 32], () => 1);
const run = (seed: number, { slowdown = 1, repetitions = 10, noise = 0.005 } = {}) =>
  simulateResult(
    cells.map((cell) => ({ ...cell, rate: slowdown })),
    { seed, repetitions, noise },
  );
const compared = (candidate: ReturnType<typeof run>, baseline = run(1)) =>
  compareResults(baseline, [candidate])[0]!;
const names = { baseline: 'a.json', candidate: 'b.json' };

describe('the sentence on a comparison', () => {
  it.each<[string, Parameters<typeof run>[1], RegExp]>([
    [
      'a slowdown',
      { slowdown: 1.2 },
      /^The candidate took 1\.\d+× \[1\..*\] the baseline's CPU time; of 6 cells slower in 6\.$/,
    ],
    ['a gain', { slowdown: 0.5 }, /took 0\.\d+× .*; of 6 cells faster in 6\.$/],
    ['no change', {}, /took the same CPU time as the baseline, within 1%/],
  ])('names %s with its interval and its cells', (_, how, said) => {
    expect(comparisonHeadline(compared(run(2, how)))).toMatch(said);
  });

  it('claims nothing that noise or few repetitions leave open', () => {
    const loud = compared(run(6, { noise: 0.2 }), run(5, { noise: 0.2 }));
    expect(comparisonHeadline(loud)).toMatch(/cannot be told.*no telling in 6/);
    const few = compared(run(2, { repetitions: 2, slowdown: 2 }), run(1, { repetitions: 2 }));
    expect(comparisonHeadline(few)).toMatch(/too few repetitions say whether that is real/);
  });
});

describe('a comparison in text', () => {
  const comparison = compared(run(2, { slowdown: 1.2 }));

  it.each([60, 100, 200])('keeps to %d columns, and to plain characters without colour', (width) => {
    const text = renderComparison(comparison, names, { width, color: false });
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(width);
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(/CPU time +1\.\d+×/);
  });

  it('is a table in Markdown whose rows are as wide as its head', () => {
    const markdown = renderComparisonMarkdown(comparison, names);
    for (const table of markdown.split('\n\n').filter((part) => part.startsWith('|'))) {
      expect(new Set(table.split('\n').map((line) => line.split('|').length)).size, table).toBe(1);
    }
  });
});
