import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isOk } from '../core/result.js';
import { journalPathOf } from '../journal/append.js';
import { bench, expectWhole, folder, out } from './testing/driven-bench.js';

const [secret, other] = ['Quux asked for the vault code', 'and of the zeppelin'];

it('measures prompts of a user, keeps their texts out of the result, and goes on with a run of them', async () => {
  const path = join(folder, 'own.jsonl');
  const lines = [
    { custom_id: 'first', body: { messages: [{ role: 'user', content: secret }], max_tokens: 3 } },
    { prompt: other },
    { prompt: 'quux zeppelin '.repeat(4000) },
  ];
  writeFileSync(path, lines.map((line) => JSON.stringify(line)).join('\n'));
  const asked = {
    prompts: { path, answerTokens: 5 },
    models: ['tiny'],
    dtype: 'fp32' as const,
    sensors: 'none' as const,
    out,
  };
  let journal = '';
  const { result } = await bench({
    ...asked,
    onProgress: ({ phase, done }) => {
      if (phase === 'measuring' && done === 1) journal = readFileSync(journalPathOf(out), 'utf8');
    },
  });
  expectWhole(result);
  expect(result.run).toMatchObject({ suite: 'prompts:own', design: 'sampled', plannedRequests: 6 });
  expect(result.cells.map(({ id }) => id)).toEqual(['tiny/first/c3', 'tiny/line 2/c5']);
  for (const request of result.requests.filter(isOk)) {
    const { factors } = result.cells.find(({ id }) => id === request.cell)!;
    const { prompt, completion } = request.tokens;
    expect({ promptTokens: prompt, completionTokens: completion }).toEqual({
      promptTokens: factors.promptTokens,
      completionTokens: factors.completionTokens,
    });
  }
  expect(result.warnings).toContainEqual(expect.objectContaining({ code: 'beyond-context' }));

  const resumed = join(folder, 'resumed.json');
  writeFileSync(journalPathOf(resumed), journal);
  await expect(bench({ resume: resumed, prompts: { path, answerTokens: 6 } })).rejects.toMatchObject({
    message: expect.stringContaining('answer-tokens was 5 and is 6'),
  });
  const { result: second } = await bench({ resume: resumed, prompts: asked.prompts });
  expectWhole(second);
  for (const file of [out, resumed]) {
    const text = readFileSync(file, 'utf8');
    for (const told of [secret, other]) expect(text).not.toContain(told);
  }
});
