import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../analysis/findings.js';
import { realisticResult } from '../../../analysis/result.test-support.js';
import { simulateResult } from '../../../analysis/simulated-result.test-support.js';
import type { Result } from '../../../core/result.js';
import { stageMarkdown } from '../../markdown/cost-card.js';
import { renderPage } from '../page.js';

const hostile = '<img src=x onerror=alert(1)>';

function guardedResult() {
  const cells = [16, 128, 512].flatMap((prompt) =>
    [false, true].map((safety) => ({
      promptTokens: prompt,
      completionTokens: 128,
      rate: 1,
      factors: { safety },
      stages: [
        ...(safety ? [{ name: `safety ${hostile}`, cost: 80, tokens: 16 }] : []),
        { name: 'prefill', cost: prompt, billed: prompt },
        { name: 'decode', cost: 128, billed: 128 },
      ],
    })),
  );
  const result = simulateResult(cells, { seed: 1, repetitions: 3, noise: 0.01 });
  result.run.questions = [
    {
      text: `What does ${hostile} cost?`,
      factor: 'safety',
      baseline: false,
      metric: 'cpuTime',
      per: 'request',
      statistics: ['mean', 'hiddenShare'],
      by: ['promptTokens'],
      where: {},
    },
  ];
  return result;
}

function pageOf(result: Result): string {
  return renderPage([{ result, findings: findingsOf(result, { resamples: 50 }) }]);
}

describe('stages in the page', () => {
  const page = pageOf(guardedResult());

  it('have the table, the waterfall, the hidden share and the answers, each chart with its numbers', () => {
    for (const part of ['waterfall', 'hidden-work', 'question-1-mean', 'question-1-hiddenShare']) {
      expect(page, part).toContain(`<figure class="chart" id="r1-${part}">`);
    }
    expect(page).toContain('What each part of answering costs, by CPU time');
    expect(page).toMatch(
      /At equal billed tokens, safety costs [\d.]+× \[[\d.]+–[\d.]+\] the CPU time of no safety/i,
    );
  });

  it('put no text of the result in as markup', () => {
    expect(page).not.toContain(hostile);
    expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;');
  });

  it('are left out where a result has none', () => {
    expect(pageOf(realisticResult())).not.toContain('stage by stage');
  });
});

describe('stages in Markdown', () => {
  it('have a table of stages, of hidden work, and the answers, escaped', () => {
    const text = stageMarkdown(findingsOf(guardedResult(), { resamples: 50 })).join('\n\n');
    expect(text).toMatch(/^\| CPU time \| 1\d%.* \| 8\d% \|$/m);
    expect(text).toMatch(/^\| Base forward pass \(prefill\) \|/m);
    expect(text).toMatch(/^- With prompt length 16: at equal billed tokens, safety costs 1\.5/m);
    expect(text).not.toContain('<img');
  });

  it('are none where a result has no stages', () => {
    expect(stageMarkdown(findingsOf(realisticResult(), { resamples: 50 }))).toEqual([]);
  });
});
