import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPrompts, parsePrompt } from './prompts.js';
import { listSuites, loadSuite, parseSuite } from './suite.js';

const minimal = {
  description: 'One cell.',
  models: [{ model: 'tiny' }],
  design: [{ promptTokens: [8], completionTokens: [4] }],
  repetitions: 2,
};

describe('shipped suites', () => {
  it('all load, quick and ci among them', async () => {
    const names = await listSuites();
    expect(names).toEqual(expect.arrayContaining(['quick', 'ci', 'gpu']));
    for (const name of names) expect((await loadSuite(name)).name).toBe(name);
  });

  it.each(['quick', 'gpu', 'ci'])('%s holds the reference request of the plain token', async (name) => {
    const { design } = await loadSuite(name);
    expect(
      design.some(
        ({ promptTokens, completionTokens }) => promptTokens?.includes(128) && completionTokens.includes(128),
      ),
    ).toBe(true);
  });
});

describe('a suite of the user', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'suite-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('is read from its file, named after it, with defaults for what it leaves out', async () => {
    const path = join(directory, 'mine.json');
    await writeFile(path, JSON.stringify(minimal));
    expect(await loadSuite(path)).toMatchObject({
      name: 'mine',
      concurrency: 1,
      seed: 1,
      stop: 'forced',
      sampling: { kind: 'greedy' },
      design: [{ batch: [1] }],
    });
  });

  it('that is missing is named with its path', async () => {
    const path = join(directory, 'missing.json');
    await expect(loadSuite(path)).rejects.toMatchObject({
      code: 'unreadable-suite',
      exitCode: 2,
      message: expect.stringContaining(path),
    });
  });

  it('with an unknown name is answered with the nearest', async () => {
    await expect(loadSuite('quikc')).rejects.toMatchObject({
      code: 'unknown-suite',
      hint: expect.stringContaining('Did you mean "quick"?'),
    });
  });
});

describe('a bad suite', () => {
  const prompts = new Map([
    ['hello', { name: 'hello', kind: 'greeting', language: 'en', difficulty: 1, text: 'Hello' }],
  ]);
  const parse = (text: string) => () => parseSuite(text, 'mine.json', prompts);
  const bad = (change: object) => parse(JSON.stringify({ ...minimal, ...change }, null, 2));

  it('with broken JSON names the line', () => {
    expect(parse('{\n  "description": "x",\n  "models": [,]\n}')).toThrow(/^mine\.json:3: it is no JSON/);
    expect(parse('{\n  "description": "x"\n')).toThrow(/^mine\.json:3: it is no JSON/);
  });

  it('with a wrong value names line and path', () => {
    const text = `{
  "description": "x",
  "models": [{ "model": "tiny" }],
  "design": [
    { "promptTokens": [8], "completionTokens": [4] },
    {
      "promptTokens": [8],
      "completionTokens": [4, "many"]
    }
  ],
  "repetitions": 2
}`;
    expect(parse(text)).toThrow(
      'mine.json:8: design[1].completionTokens[1]: expected number, received string.',
    );
  });

  it.each([
    [{ repetition: 3 }, /Unrecognized key: "repetition"/],
    [{ repetitions: 0 }, /repetitions: Too small/],
    [{ models: [] }, /models: Too small/],
    [
      { models: [{ model: 'tiny', dtype: 'q5' }] },
      /models\[0\]\.dtype: Invalid option: expected one of "fp32"/,
    ],
    [{ design: [{ completionTokens: [4] }] }, /design\[0\]: expected either promptTokens or prompts/],
    [
      { design: [{ promptTokens: [8], prompts: ['hello'], completionTokens: [4] }] },
      /design\[0\]: expected either promptTokens or prompts/,
    ],
    [
      { design: [{ prompts: ['hallo'], completionTokens: [4] }] },
      /design\[0\]\.prompts\[0\]: no prompt is called "hallo", perhaps "hello" is meant/,
    ],
    [
      { design: [{ ...minimal.design[0], models: ['tinny'] }] },
      /design\[0\]\.models\[0\]: "tinny" is none of the suite's models/,
    ],
    [{ sampling: { kind: 'seeded' } }, /sampling\.temperature: expected number, but it is missing/],
  ])('%j is explained', (change, message) => {
    expect(bad(change)).toThrow(
      expect.objectContaining({ code: 'bad-suite', message: expect.stringMatching(message) }),
    );
  });
});

describe('prompts', () => {
  it('say the same in several languages and as code', async () => {
    const prompts = [...(await loadPrompts()).values()];
    const languages = prompts.filter(({ meaning }) => meaning === 'even-sum').map(({ language }) => language);
    expect(languages.sort()).toEqual(['de', 'en', 'ko', 'python', 'zh']);
    expect(prompts.find(({ name }) => name === 'hello')?.text).toBe('Hello');
  });

  it('keep the inner line ends of their text and drop those around it', () => {
    const prompt = parsePrompt(
      'two-lines',
      '---\r\nkind: chat\r\nlanguage: en\r\n---\r\n\r\none\r\n\r\ntwo\r\n',
    );
    expect(prompt).toEqual({
      name: 'two-lines',
      kind: 'chat',
      language: 'en',
      difficulty: 1,
      text: 'one\r\n\r\ntwo',
    });
  });

  it.each([
    ['no header', /no header/],
    ['---\nkind: chat\n---\ntext', /language: expected string, but it is missing/],
    ['---\nkind: chat\nlanguage: en\nmood: good\n---\ntext', /Unrecognized key: "mood"/],
    ['---\nkind: chat\nlanguage: en\n---\n\n', /no text/],
  ])('%j are refused', (content, message) => {
    expect(() => parsePrompt('mine', content)).toThrow(message);
  });

  it('may not take the name of a synthetic one', () => {
    expect(() => parsePrompt('p128', '---\nkind: chat\nlanguage: en\n---\ntext')).toThrow(/synthetic/);
  });
});
