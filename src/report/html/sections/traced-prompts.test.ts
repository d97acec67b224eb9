import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../analysis/findings.js';
import { simulateResult } from '../../../analysis/simulated-result.test-support.js';
import { renderPage } from '../page.js';

const hostile = '<img src=x onerror=alert(1)>';

function pageOf(prompts: string[]): string {
  const answer = [
    { name: 'prefill', cost: 128, billed: 128 },
    { name: 'decode', cost: 128, billed: 128 },
  ];
  const lengths = { promptTokens: 128, completionTokens: 128, rate: 1 };
  const traced = prompts.map((prompt) => ({
    ...lengths,
    stages: [{ name: 'safety', cost: 256, tokens: 16 }, ...answer],
    factors: { prompt, promptKind: 'traced', pipeline: 'guarded' },
  }));
  const result = simulateResult([{ ...lengths, stages: answer }, ...traced], {
    seed: 1,
    repetitions: 3,
    noise: 0,
  });
  return renderPage([{ result, findings: findingsOf(result) }]);
}

describe('the page of a trace', () => {
  it('opens on the waterfall of its prompt, and names no misbilled share', () => {
    const page = pageOf(['prompt']);
    expect(page).toContain('<h1>Billed 256 tokens, worth 512 by CPU time.</h1>');
    expect(page).toContain('50% is safety/alignment passes');
    expect(/<h2[^>]*>([^<]*)/.exec(page)![1]).toBe('From what is billed to what it is worth');
    expect(page.replace(/<[^>]*>/g, '')).toContain(
      'There is no misbilled share: 1 prompt beside a reference request',
    );
    expect(page).not.toMatch(/Who pays for whom|R²|By every measure of work/);
  });

  it('draws each of several, and takes their names as text', () => {
    const page = pageOf(['first', hostile]);
    expect(page).toContain('A billed token of 2 prompts is worth 2 plain ones');
    expect(page).toMatch(/<option value="0">first/);
    expect(page).not.toContain('<img');
  });
});
