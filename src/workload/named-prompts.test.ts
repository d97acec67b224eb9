import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { namedPrompts } from './named-prompts.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-named-prompts-'));
afterAll(() => rmSync(directory, { recursive: true }));

function read(...records: unknown[]) {
  const path = join(directory, 'prompts.jsonl');
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return namedPrompts(path, {});
}

// ai-dynamo/aiperf, src/aiperf/dataset/loader/models.py (0109a64): SingleTurn, MultiTurn, MooncakeTrace.
describe('prompts of AIPerf', () => {
  it('have their times in milliseconds, and their answers’ lengths', async () => {
    const { prompts, warnings } = await read(
      { text: 'Hello', timestamp: 1000, output_length: 4 },
      { text_input: 'What is deep learning?', timestamp: 1500.5 },
      {
        session_id: 'a',
        turns: [
          { text: 'Hi', timestamp: 1400 },
          { text: 'And?', delay: 3 },
        ],
      },
    );
    expect(prompts).toEqual([
      { name: 'line 1', text: 'Hello', answerTokens: 4, arrivalNs: 0 },
      { name: 'line 3', text: 'Hi', answerTokens: 64, arrivalNs: 400_000_000 },
      { name: 'line 2', text: 'What is deep learning?', answerTokens: 64, arrivalNs: 500_500_000 },
    ]);
    expect(warnings).toMatchObject([{ code: 'trace-sorted' }]);
  });

  it('have no times where one waits for an answer', async () => {
    const { prompts, warnings } = await read({ text: 'Hello', timestamp: 5 }, { text: 'And?', delay: 2 });
    expect(prompts.every((prompt) => !('arrivalNs' in prompt))).toBe(true);
    expect(warnings).toMatchObject([{ code: 'trace-without-times' }]);
  });

  it.each([
    [{ text: 'Hello' }, /:2: it has no timestamp/],
    [{ text: 'Hello', timestamp: 'noon' }, /:2: .*timestamp/],
    [{ text: 'Hello', timestamp: -1 }, /:2: .*timestamp/],
    [{ turns: [] }, /:2: .*turns/],
  ])('such as %j beside one with a time are refused by line', async (bad, message) => {
    await expect(read({ text: 'Hello', timestamp: 0 }, bad)).rejects.toMatchObject({
      code: 'bad-prompt',
      message: expect.stringMatching(message),
    });
  });
});

// vllm-project/vllm, vllm/benchmarks/datasets: CustomDataset.
describe('prompts of vllm bench', () => {
  it('have the lengths of their answers', async () => {
    const { prompts } = await read({ prompt: 'What is the capital of India?', output_tokens: 10 });
    expect(prompts).toEqual([{ name: 'line 1', text: 'What is the capital of India?', answerTokens: 10 }]);
  });
});
