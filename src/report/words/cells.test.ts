import { describe, expect, it } from 'vitest';
import { cellInWords, cellsInWords } from './cells.js';

const plain = { batch: 1, stop: 'forced', sampling: 'greedy', pipeline: 'plain-chat' };
const cell = (factors: Record<string, string | number | boolean>, id = 'm/x') => ({
  id,
  model: 'm',
  factors,
});

describe('a cell in words', () => {
  it.each([
    [{ ...plain, promptTokens: 64, completionTokens: 8 }, '64-token prompt, 8-token answer'],
    [
      { ...plain, prompt: 'even-sum-ko', promptKind: 'arithmetic', language: 'ko', completionTokens: 32 },
      'prompt "even-sum-ko" (Korean arithmetic), 32-token answer',
    ],
    [
      { ...plain, prompt: 'line 3', promptTokens: 120, completionTokens: 64 },
      'prompt "line 3" of 120 tokens, 64-token answer',
    ],
    [
      {
        ...plain,
        prompt: 'even-sum-code',
        promptKind: 'arithmetic',
        language: 'python',
        completionTokens: 32,
      },
      'prompt "even-sum-code" (Python arithmetic), 32-token answer',
    ],
    [
      { ...plain, prompt: 'scripts', promptKind: 'text', language: 'mul', completionTokens: 8 },
      'prompt "scripts" (multilingual text), 8-token answer',
    ],
    [
      { promptTokens: 64, completionTokens: 32, pipeline: 'guarded-chat', 'input safety.flagged': true },
      '64-token prompt, 32-token answer, through guarded-chat, flagged by input safety',
    ],
    [
      { promptTokens: 64, completionTokens: 32, batch: 4, neighbours: 'different', stop: 'eos' },
      '64-token prompt, answer of at most 32 tokens, batch of 4 different prompts',
    ],
    [
      { promptTokens: 64, completionTokens: 32, sampling: 'seeded', temperature: 0.7, topK: 40 },
      '64-token prompt, 32-token answer, temperature 0.7 and top 40',
    ],
    [
      { promptTokens: 64, completionTokens: 32, pipeline: 'agent', 'prefill.cache': 'warm' },
      '64-token prompt, 32-token answer, through agent, prefill cache warm',
    ],
    [
      { promptTokens: 64, completionTokens: 32, 'prefill.cache': 'none' },
      '64-token prompt, 32-token answer, no prefill cache',
    ],
    [
      { promptTokens: 64, completionTokens: 32, pipeline: 'reasoning-chat', 'reasoning.drawn': 90 },
      '64-token prompt, 32-token answer, through reasoning-chat, 90 tokens of reasoning',
    ],
  ])('%j', (factors, words) => {
    expect(cellInWords(cell(factors))).toBe(words);
  });

  it('keeps its id where its factors do not say what it is', () => {
    expect(cellInWords(cell({ size: 'large' }, 'm/large'))).toBe('m/large');
  });
});

describe('cells in words', () => {
  const factors = { promptTokens: 64, completionTokens: 8, pipeline: 'guarded-chat' };

  it('tell cells that are alike by their draw', () => {
    const cells = [cell(factors, 'm/a/draw 1'), cell(factors, 'm/a/draw 2'), cell(plain, 'm/b/draw 3')];
    expect([...cellsInWords(cells).values()]).toEqual([
      '64-token prompt, 8-token answer, through guarded-chat (draw 1)',
      '64-token prompt, 8-token answer, through guarded-chat (draw 2)',
      'm/b/draw 3',
    ]);
  });

  it('name the model where there are several, and let no control character through', () => {
    const cells = [cell(factors), { ...cell(factors, 'n'), model: 'n\u001b[31m' }];
    const words = [...cellsInWords(cells).values()];
    expect(words[0]).toMatch(/^m: 64-token prompt/);
    expect(words[1]).not.toContain('\u001b');
  });
});
