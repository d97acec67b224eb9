import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listPipelines, loadPipeline } from './pipelines/pipeline.js';
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
    [
      { design: [{ ...minimal.design[0], draws: 2 ** 31 }] },
      /design\[0\]: expected a block of at most 1,000,000 requests a round/,
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

describe('pipelines of a suite', () => {
  const shipped = async () => {
    const names = await listPipelines();
    return new Map(await Promise.all(names.map(async (name) => [name, await loadPipeline(name)] as const)));
  };
  const design = { promptTokens: [8], completionTokens: [4], pipelines: ['reasoning-chat'] };
  const parse = async (change: object) =>
    parseSuite(JSON.stringify({ ...minimal, ...change }, null, 2), 'mine.json', new Map(), await shipped());

  it('are looked up, with other models in their roles where the suite says so', async () => {
    const suite = await parse({
      design: [{ ...design, pipelines: ['rag-chat'] }],
      roles: { embedder: { model: 'tiny-encoder', dtype: 'fp32' } },
    });
    expect([...suite.pipelines.keys()]).toEqual(['rag-chat']);
    expect(suite.pipelines.get('rag-chat')!.models.get('embedder')).toEqual({
      spec: 'tiny-encoder',
      dtype: 'fp32',
    });
  });

  it.each([
    [
      'an unknown one',
      { pipelines: ['reasoning-chta'] },
      {},
      /:\d+: design\[0\]\.pipelines\[0\]: no pipeline is called "reasoning-chta", perhaps "reasoning-chat" is meant/,
    ],
    [
      'a policy of no stage',
      { policies: { 'safety.flagRate': [0] } },
      {},
      /:\d+: design\[0\]\.policies.*no pipeline of the block has the stage/,
    ],
    ['an unknown policy', { policies: { 'reasoning.token': [0] } }, {}, /perhaps "tokens" is meant/],
    [
      'a bad value of a policy',
      { policies: { 'reasoning.tokens': [0, -1] } },
      {},
      /\["reasoning\.tokens"\]\[1\]/,
    ],
    [
      'a batch that a stage cannot run',
      { pipelines: ['agent'], batch: [1, 4] },
      {},
      /"prefill" runs one sequence at a time, and no batch of 4: the rows .* the prefix cache/,
    ],
    [
      'a batch behind retrieved tokens that are not billed',
      { pipelines: ['rag-chat'], batch: [4] },
      {},
      /"retrieval" runs one sequence at a time, and no batch of 4: what it retrieves/,
    ],
    [
      'a role of no pipeline',
      {},
      { roles: { embedder: 'tiny-encoder' } },
      /roles\.embedder: no pipeline of the suite has the role "embedder"/,
    ],
    [
      'what is no question',
      {},
      { questions: [{ text: 'So what.', factor: 'batch', baseline: 1, metric: 'flops' }] },
      /questions\[0\]\.text: expected a question/,
    ],
  ])('are refused with %s', async (_, block, change, message) => {
    await expect(parse({ design: [{ ...design, ...block }], ...change })).rejects.toThrow(message);
  });

  it('are found by path from the suite', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tokenwork-suite-'));
    const stages = ['tokenization', 'prefill', 'decode'].map((type) => ({ type }));
    await writeFile(join(folder, 'own.json'), JSON.stringify({ description: 'x', stages }));
    const path = join(folder, 'suite.json');
    await writeFile(path, JSON.stringify({ ...minimal, design: [{ ...design, pipelines: ['own.json'] }] }));
    const suite = await loadSuite(path);
    expect(suite.pipelines.get('own.json')!.stages).toHaveLength(3);
    await rm(folder, { recursive: true });
  });
});
