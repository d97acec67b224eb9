import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { promptsToTrace } from './trace-input.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-trace-input-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function saved(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

const pipeline = 'guarded-rag-reasoning';

describe('a prompt to trace', () => {
  it('has an answer of 64 tokens, unless another length is asked for', async () => {
    expect((await promptsToTrace('Why?', { pipeline })).prompts).toEqual([
      { name: 'prompt', text: 'Why?', answerTokens: 64 },
    ]);
    const { prompts } = await promptsToTrace('Why?', { pipeline, answerTokens: 7 });
    expect(prompts[0]!.answerTokens).toBe(7);
  });

  it.each([
    ['Hello', {}, 2, true],
    ['Hello', { answerTokens: 2 }, 2, true],
    ['Hello', { answerTokens: 64 }, 64, false],
    ['Hello', { pipeline: 'plain-chat' }, 64, false],
    ['Hi', {}, 64, false],
    ['Hi', { answerTokens: 2 }, 2, false],
  ])(
    '%s with %j is answered with %i tokens; the published example: %s',
    async (text, flags, tokens, isExample) => {
      const { prompts, isPublishedExample } = await promptsToTrace(text, { pipeline, ...flags });
      expect([prompts[0]!.answerTokens, isPublishedExample]).toEqual([tokens, isExample]);
    },
  );

  it('may be a file as it stands', async () => {
    const promptFile = saved('prompt.jsonl', '{"prompt": "not parsed"}\n');
    const { prompts, isFile } = await promptsToTrace(undefined, { pipeline, promptFile });
    expect([prompts[0]!.text, isFile]).toEqual(['{"prompt": "not parsed"}', false]);
  });
});

describe('prompts to trace', () => {
  it('have their own lengths before the one asked for, and names that no two share', async () => {
    const path = saved(
      'prompts.jsonl',
      '"a"\n{"prompt": "b", "id": "x", "max_tokens": 3}\n{"prompt": "c", "id": "x"}\n{"prompt": "d", "id": "p128"}\n',
    );
    const { prompts, isFile } = await promptsToTrace(undefined, { pipeline, prompts: path, answerTokens: 9 });
    expect(isFile).toBe(true);
    // The reference request is called p128.
    expect(prompts.map(({ name, answerTokens }) => [name, answerTokens])).toEqual([
      ['line 1', 9],
      ['x', 3],
      ['x (2)', 9],
      ['p128 (2)', 9],
    ]);
    expect((await promptsToTrace(undefined, { pipeline, prompts: path, limit: 2 })).prompts).toHaveLength(2);
  });
});
