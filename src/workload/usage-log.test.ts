import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readUsage } from './usage-log.js';

const directory = mkdtempSync(join(tmpdir(), 'usage-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
async function read(...lines: unknown[]) {
  const path = join(directory, `usage-${files++}.jsonl`);
  writeFileSync(
    path,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  const found = [];
  for await (const usage of readUsage(path)) found.push(usage);
  return found;
}

describe('a log of usage', () => {
  it.each([
    [
      'a response body',
      {
        object: 'chat.completion',
        created: 1780272000,
        model: 'gpt',
        usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
      },
      { prompt: 9, completion: 4, model: 'gpt', time: Date.UTC(2026, 5, 1) },
    ],
    ['usage itself', { prompt_tokens: 9, completion_tokens: 4 }, { prompt: 9, completion: 4 }],
    [
      'a log line',
      { timestamp: '2026-06-01T00:00:00Z', usage: { prompt_tokens: 9, completion_tokens: 4 } },
      { prompt: 9, completion: 4, time: Date.UTC(2026, 5, 1) },
    ],
    [
      'a line of a batch',
      {
        custom_id: 'a',
        response: { body: { model: 'm', usage: { prompt_tokens: 9, completion_tokens: 4 } } },
      },
      { prompt: 9, completion: 4, model: 'm' },
    ],
    [
      'cached and reasoning tokens',
      {
        prompt_tokens: 9,
        completion_tokens: 4,
        prompt_tokens_details: { cached_tokens: 8 },
        completion_tokens_details: { reasoning_tokens: 3 },
      },
      { prompt: 9, cached: 8, completion: 4, reasoning: 3 },
    ],
    [
      'the Responses API',
      {
        usage: {
          input_tokens: 9,
          output_tokens: 4,
          input_tokens_details: { cached_tokens: 8 },
          output_tokens_details: { reasoning_tokens: 3 },
        },
      },
      { prompt: 9, cached: 8, completion: 4, reasoning: 3 },
    ],
    [
      'Anthropic, whose cached tokens stand apart',
      {
        usage: {
          input_tokens: 9,
          output_tokens: 4,
          cache_read_input_tokens: 100,
          cache_creation_input_tokens: 20,
        },
      },
      { prompt: 129, cached: 100, completion: 4 },
    ],
    ['an embedding', { usage: { prompt_tokens: 9, total_tokens: 9 } }, { prompt: 9, completion: 0 }],
    [
      'details that are null',
      {
        prompt_tokens: 9,
        completion_tokens: 4,
        prompt_tokens_details: null,
        completion_tokens_details: { reasoning_tokens: null },
      },
      { prompt: 9, completion: 4 },
    ],
  ])('is read of %s', async (_, line, usage) => {
    expect(await read(line)).toEqual([{ cached: 0, reasoning: 0, time: null, model: null, ...usage }]);
  });

  it('has null for lines without usage, and none for empty ones', async () => {
    const failed = { error: { message: 'rate limit' } };
    expect(await read(failed, '', { usage: null }, { prompt_tokens: 1, completion_tokens: 1 })).toMatchObject(
      [...[null, null], { prompt: 1 }],
    );
  });

  it.each([
    ['{"usage":', /:2: it is no JSON/],
    ['7', /:2: it is no object/],
    ['{"prompt_tokens":-1}', /:2: .*prompt_tokens/],
    ['{"prompt_tokens":1.5,"completion_tokens":1}', /:2: .*prompt_tokens/],
    [
      '{"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":4}}',
      /4 cached tokens are more than the prompt's 3/,
    ],
    [
      '{"prompt_tokens":3,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":2}}',
      /2 reasoning tokens/,
    ],
  ])('refuses %s by its line', async (line, message) => {
    const good = '{"prompt_tokens":1,"completion_tokens":1}';
    await expect(read(good, line)).rejects.toMatchObject({
      code: 'bad-usage',
      message: expect.stringMatching(message),
    });
  });

  it('says of a file that is not there that it cannot be read', async () => {
    const all = readUsage(join(directory, 'none.jsonl'));
    await expect(all.next()).rejects.toMatchObject({ code: 'unreadable-usage' });
  });
});
