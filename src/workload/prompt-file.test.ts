import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { jsonRecords } from './json-records.js';
import { readPrompts, readPromptText } from './prompt-file.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-prompts-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function saved(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

async function promptsIn(path: string, options = {}) {
  const found = [];
  for await (const { path: _, ...record } of readPrompts(path, options)) found.push(record);
  return found;
}

const jsonl = (...values: unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('');

describe('a file of prompts', () => {
  it('holds a text, a prompt or messages a line, each with its length', async () => {
    const path = saved(
      'mixed.jsonl',
      `${jsonl('Hello', { prompt: 'Two\nlines', max_tokens: 5, id: 7 })}\n${jsonl({
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: [{ type: 'text', text: 'Why?' }] },
        ],
        max_completion_tokens: 9,
      })}`,
    );
    expect(await promptsIn(path)).toEqual([
      { name: null, line: 1, text: 'Hello', maxTokens: null, time: null },
      { name: '7', line: 2, text: 'Two\nlines', maxTokens: 5, time: null },
      {
        name: null,
        line: 4,
        text: 'Be brief.\n\nWhy?',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Why?' },
        ],
        maxTokens: 9,
        time: null,
      },
    ]);
  });

  it('may be an OpenAI batch', async () => {
    const body = { model: 'any', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 30 };
    const path = saved(
      'batch.jsonl',
      jsonl(
        { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body },
        { custom_id: 'b', method: 'POST', url: '/v1/completions', body: { prompt: 'Once' } },
      ),
    );
    expect(await promptsIn(path)).toMatchObject([
      { name: 'a', text: 'Hi', messages: body.messages, maxTokens: 30 },
      { name: 'b', text: 'Once', maxTokens: null },
    ]);
  });

  it('may be ShareGPT, of which the first question is asked and what asks nothing is told', async () => {
    const turn = (from: string, value: string) => ({ from, value });
    const conversations = [
      [turn('system', 'Be kind.'), turn('human', 'Who?'), turn('gpt', 'I.'), turn('human', 'Why?')],
      [turn('gpt', 'cut off'), turn('human', 'Go on')],
      [turn('gpt', 'alone')],
    ];
    const path = saved(
      'sharegpt.json',
      JSON.stringify(
        conversations.map((own, id) => ({ id: `c${id}`, conversations: own })),
        null,
        1,
      ),
    );
    const skipped: number[] = [];
    const found = await promptsIn(path, { onSkipped: (_: string, line: number) => skipped.push(line) });
    expect(found).toMatchObject([
      {
        name: 'c0',
        line: 2,
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: 'Who?' },
        ],
      },
      { name: 'c1', messages: [{ role: 'user', content: 'Go on' }] },
    ]);
    expect(skipped).toHaveLength(1);
  });

  it('may be a folder of texts and documents, each by its name', async () => {
    const folder = join(scratch, 'folder');
    mkdirSync(folder);
    writeFileSync(join(folder, 'b.txt'), '\nsecond\n');
    writeFileSync(join(folder, 'a.md'), '# first');
    writeFileSync(join(folder, 'c.json'), '{\n  "prompt": "third"\n}\n');
    writeFileSync(join(folder, 'picture.png'), Buffer.from([0x89, 0x50]));
    expect(await promptsIn(folder)).toMatchObject([
      { name: 'a.md', text: '# first' },
      { name: 'b.txt', text: 'second' },
      { name: null, text: 'third', line: 1 },
    ]);
  });

  it.each([
    ['words.jsonl', '"fine"\nnot json\n', 'bad-prompt', 'words.jsonl:2: it is no JSON'],
    ['cut.jsonl', '"fine"\n\n{"prompt": "cu', 'bad-prompt', 'cut.jsonl:3: it is no JSON'],
    ['keys.jsonl', '{"txt": "x"}', 'bad-prompt', 'keys.jsonl:1: it has neither "prompt"'],
    ['number.jsonl', '3', 'bad-prompt', 'number.jsonl:1'],
    ['roles.jsonl', '{"messages":[{"content":"x"}]}', 'bad-prompt', 'messages[0].role'],
    [
      'image.jsonl',
      '{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}',
      'bad-prompt',
      'messages[0].content',
    ],
    ['most.jsonl', '{"prompt":"x","max_tokens":0}', 'bad-prompt', 'max_tokens'],
    ['none.jsonl', '{"messages":[]}', 'bad-prompt', 'messages'],
    ['blank.jsonl', '"x"\n""\n', 'empty-prompt', 'blank.jsonl:2: the prompt is empty'],
    ['empty.jsonl', '\n\n', 'empty-prompt', 'holds no prompt'],
    ['list.json', '[]', 'empty-prompt', 'holds no prompt'],
    ['open.json', '["a",\n "b"', 'bad-prompt', 'does not end'],
    ['comma.json', '["a",\n]', 'bad-prompt', 'comma.json:2: it is no JSON'],
    ['after.json', '["a"]\n]', 'bad-prompt', 'after.json:2: it is no JSON'],
    ['empty.txt', '\n', 'empty-prompt', 'empty.txt: the prompt is empty'],
    ['binary.txt', Buffer.from([1, 0, 2]), 'bad-prompt', 'zero bytes'],
    ['utf16.txt', Buffer.from('\ufeffHi', 'utf16le'), 'bad-prompt', 'no text in UTF-8'],
  ])('%s with what cannot be read is refused', async (name, content, code, said) => {
    await expect(promptsIn(saved(name, content))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(said),
    });
  });

  it('that is not there is refused', async () => {
    await expect(promptsIn(join(scratch, 'nothing.jsonl'))).rejects.toMatchObject({
      code: 'unreadable-prompts',
    });
  });

  it('is read the same however it arrives', async () => {
    const value = fc.oneof(fc.string(), fc.jsonValue({ maxDepth: 3 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        async (values, size, isArray) => {
          const text = isArray ? JSON.stringify(values, null, 1) : jsonl(...values);
          fc.pre(isArray || !Array.isArray(values[0]));
          const chunks = text.match(new RegExp(`[^]{1,${size}}`, 'g'))!;
          const found = [];
          const source = Readable.from(chunks) as AsyncIterable<string>;
          for await (const record of jsonRecords(source, 'lines', (_, problem) => {
            throw new Error(problem);
          }))
            found.push(record);
          expect(found.map((record) => JSON.parse(record.text))).toEqual(JSON.parse(JSON.stringify(values)));
          const lines = text.split('\n');
          for (const record of found)
            expect(lines[record.line - 1]).toContain(record.text.trim().split('\n')[0]);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a prompt from a stream', () => {
  it('is its text without the line ends around it, letters across chunks included', async () => {
    const bytes = Buffer.from('\r\nGrüße\n 😀 \n');
    const source = Readable.from([...bytes].map((byte) => Uint8Array.of(byte)));
    expect(await readPromptText(source, 'stdin')).toBe('Grüße\n 😀 ');
  });
});
