import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nameOf } from '../../stages/pipeline.js';
import { listPipelines, loadPipeline, parsePipeline, withPolicy } from './pipeline.js';

const lines = (stages: readonly string[], models = '{}') =>
  `{\n"description": "x",\n"models": ${models},\n"stages": [\n${stages.join(',\n')}\n]\n}`;
const plain = ['tokenization', 'prefill', 'decode'].map((type) => `{ "type": "${type}" }`);
const [tokenization, prefill, decode] = plain as [string, string, string];
const parse = (stages: readonly string[], models?: string) =>
  parsePipeline(lines(stages, models), 'bench/mine.json');
const complaint = (stages: readonly string[], models?: string): string => {
  try {
    parse(stages, models);
  } catch (error) {
    expect(error).toMatchObject({ code: 'bad-pipeline' });
    return (error as Error).message;
  }
  throw new Error('it was taken');
};

const shipped = await listPipelines();

describe('a pipeline', () => {
  it('runs its stages in the order of the file, with the policies nobody spoke of', () => {
    const { name, stages } = parse(plain);
    expect(name).toBe('mine');
    expect(stages.map(nameOf)).toEqual(['tokenization', 'prefill', 'decode']);
    expect(stages[1]).toMatchObject({ cache: 'none', systemTokens: 0, blockTokens: 16 });
  });

  it('runs a stage after those it names, wherever in the file it stands', () => {
    const early = '{ "type": "detokenization", "after": ["decode"] }';
    const first = '{ "type": "tokenization", "after": [] }';
    expect(parse([early, first, prefill, decode]).stages.map(nameOf)).toEqual([
      'tokenization',
      'prefill',
      'decode',
      'detokenization',
    ]);
  });

  it('knows its models by role, in the dtype it names', () => {
    const guard = '{ "type": "safety", "on": "prompt", "classifier": "guard", "verifier": "chat" }';
    const { models } = parse(
      [tokenization, guard, prefill, decode],
      '{ "guard": { "model": "minilm-l6", "dtype": "int8" } }',
    );
    expect([...models]).toEqual([['guard', { spec: 'minilm-l6', dtype: 'int8' }]]);
  });

  it.each(shipped)('%s is shipped, and explains itself', async (name) => {
    const { description, stages } = await loadPipeline(name);
    expect(description.length).toBeGreaterThan(80);
    expect(stages.length).toBeGreaterThanOrEqual(4);
    // By path, its models are looked for as well.
    const path = fileURLToPath(new URL(`../../../bench/pipelines/${name}.json`, import.meta.url));
    expect((await loadPipeline(path)).stages).toEqual(stages);
  });

  it('that there is none of is told with the nearest', async () => {
    await expect(loadPipeline('guarded-chta')).rejects.toMatchObject({
      code: 'unknown-pipeline',
      hint: expect.stringContaining('"guarded-chat"'),
    });
    await expect(loadPipeline('no/such.json')).rejects.toMatchObject({ code: 'unreadable-pipeline' });
  });
});

describe('a pipeline is refused, with its line', () => {
  it('where one of its models is not to be had', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tokenwork-pipeline-'));
    const path = join(directory, 'mine.json');
    const guard = '{ "type": "safety", "on": "prompt", "classifier": "guard" }';
    writeFileSync(path, lines([tokenization, guard, prefill, decode], '{ "guard": "minilm-l7" }'));
    await expect(loadPipeline(path)).rejects.toMatchObject({
      code: 'bad-pipeline',
      message: expect.stringMatching(/mine\.json:3: models\.guard: .*"minilm-l7".*"minilm-l6"/),
    });
    rmSync(directory, { recursive: true });
  });

  it.each<[string, string[], string | undefined, RegExp]>([
    [
      'an unknown stage',
      [tokenization, '{ "type": "prefil" }', decode],
      undefined,
      /^bench\/mine\.json:6: stages\[1\]\.type: no type of stage is called "prefil", perhaps "prefill" is meant/,
    ],
    [
      'an unknown policy',
      [tokenization, '{ "type": "prefill",\n"blockToken": 8 }', decode],
      undefined,
      /^bench\/mine\.json:7: .*a prefill stage has no policy "blockToken", perhaps "blockTokens" is meant/,
    ],
    [
      'a bad value',
      [tokenization, prefill, '{ "type": "decode",\n"drafts": 0 }'],
      undefined,
      /^bench\/mine\.json:8: stages\[2\]\.drafts: /,
    ],
    [
      'a cycle',
      ['{ "type": "tokenization", "after": ["decode"] }', '{ "type": "prefill" }', '{ "type": "decode" }'],
      undefined,
      /^bench\/mine\.json:5: .*wait for each other: tokenization after decode after prefill after tokenization/,
    ],
    [
      'a stage after one that is not there',
      [tokenization, '{ "type": "prefill", "after": ["tokenisation"] }', decode],
      undefined,
      /:6: .*no stage is called "tokenisation", perhaps "tokenization" is meant/,
    ],
    [
      'a missing model',
      [tokenization, '{ "type": "retrieval", "embedder": "encodr" }', prefill, decode],
      '{ "encoder": "minilm-l6" }',
      /:6: .*the stage "retrieval" asks for the model "encodr", .* perhaps "encoder" is meant/,
    ],
    [
      'a model that no stage asks for',
      plain,
      '{ "encoder": "minilm-l6" }',
      /:3: .*"encoder" is asked for by no stage/,
    ],
    [
      'an encoder that is to generate',
      [
        tokenization,
        '{ "type": "safety", "on": "prompt", "classifier": "a", "verifier": "a" }',
        prefill,
        decode,
      ],
      '{ "a": "minilm-l6" }',
      /:6: .*"verifier" takes a model for decoder, and "a" is one for classification already/,
    ],
    [
      'verification without a verifier',
      [tokenization, '{ "type": "safety", "on": "prompt", "verify": "always" }', prefill, decode],
      undefined,
      /:6: .*verification \("always"\) needs a "verifier" model/,
    ],
    [
      'a completion that is checked before it is there',
      [tokenization, '{ "type": "safety", "on": "completion" }', prefill, decode],
      undefined,
      /:6: .*the completion is checked before the decode stage has made it/,
    ],
    ['an order that cannot be', [tokenization, decode, prefill], undefined, /decode comes before prefill/],
    ['no decode', [tokenization, prefill], undefined, /:4: .*there is no decode stage/],
    [
      'two of a name',
      [tokenization, tokenization, prefill, decode],
      undefined,
      /:6: .*two stages are called/,
    ],
    [
      'a draft of nobody',
      [tokenization, prefill, '{ "type": "decode", "speculation": "draft" }'],
      undefined,
      /:7: /,
    ],
    ['no JSON', ['{'], undefined, /it is no JSON/],
  ])('%s', (_, stages, models, message) => {
    expect(complaint(stages, models)).toMatch(message);
  });
});

describe('setting a policy', () => {
  const { stages } = parse([tokenization, prefill, '{ "type": "reasoning" }', decode]);

  it('leaves the other stages as they are', () => {
    const set = withPolicy(stages, 'reasoning.tokens', 7)!;
    expect(set[2]).toMatchObject({ type: 'reasoning', tokens: 7 });
    expect(set[1]).toBe(stages[1]);
    expect(stages[2]).toMatchObject({ tokens: 64 });
  });

  it('is nothing where there is no such stage', () => {
    expect(withPolicy(stages, 'safety.flagRate', 0.5)).toBeNull();
  });

  it('refuses what is no policy, and no value of one', () => {
    expect(() => withPolicy(stages, 'reasoning.token', 7)).toThrow(/perhaps "tokens" is meant/);
    expect(() => withPolicy(stages, 'reasoning.name', 'x')).toThrow(/has no policy "name"/);
    expect(() => withPolicy(stages, 'reasoning.tokens', -1)).toThrow(/tokens/);
  });
});
