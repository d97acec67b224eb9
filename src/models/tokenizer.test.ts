import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
import { loadTokenizer, type Tokenizer } from './tokenizer.js';

const stories = sharedPath('models/stories260K');
const bos = 1;

interface TokenizerJson {
  model: { vocab: Record<string, number>; merges: (string | [string, string])[] };
  added_tokens: { id: number; content: string; special: boolean }[];
  post_processor: unknown;
}

/** Byte-pair encoding as its paper states it: join the pair of lowest rank until none is left. */
function referenceEncode({ model }: TokenizerJson, text: string): number[] {
  const ranks = new Map(
    model.merges.map((merge, rank) => [typeof merge === 'string' ? merge : merge.join(' '), rank]),
  );
  const pieces = [...`▁${text.replaceAll(' ', '▁')}`];
  for (;;) {
    const candidates = pieces
      .slice(1)
      .map((next, index) => ({ index, rank: ranks.get(`${pieces[index]} ${next}`) ?? Infinity }));
    const best = candidates.reduce((a, b) => (b.rank < a.rank ? b : a), { index: -1, rank: Infinity });
    if (best.index < 0) break;
    pieces.splice(best.index, 2, pieces[best.index]! + pieces[best.index + 1]!);
  }
  const bytesOf = (piece: string) =>
    [...Buffer.from(piece)].map(
      (byte) => model.vocab[`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`]!,
    );
  return [bos, ...pieces.flatMap((piece) => model.vocab[piece] ?? bytesOf(piece))];
}

describe.skipIf(lacksShared)('the tokenizer of stories260K', () => {
  let directory: string;
  let json: TokenizerJson;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tokenwork-tokenizer-'));
    for (const file of ['tokenizer.json', 'tokenizer_config.json'])
      await cp(join(stories, file), join(directory, file));
    json = JSON.parse(await readFile(join(directory, 'tokenizer.json'), 'utf8')) as TokenizerJson;
  });
  afterEach(() => rm(directory, { recursive: true }));

  const loadWith = async (tokenizer: object, config: object): Promise<Tokenizer> => {
    await writeFile(join(directory, 'tokenizer.json'), JSON.stringify(tokenizer));
    await writeFile(join(directory, 'tokenizer_config.json'), JSON.stringify(config));
    return loadTokenizer(directory);
  };

  test('splits text as llama.cpp does on this vocabulary, after BOS', async () => {
    const tokenizer = await loadTokenizer(stories);
    // ▁Once, ▁upon, ▁a, ▁time
    expect(tokenizer.encode('Once upon a time')).toEqual([bos, 403, 407, 261, 378]);
    expect(tokenizer.decode([bos, 403, 407, 261, 378])).toBe('Once upon a time');
    expect(tokenizer.vocabulary).toBe(512);
    expect([...tokenizer.specialTokenIds].sort()).toEqual([0, 1, 2]);
  });

  test('renders messages by the chat template, up to where the model answers', async () => {
    const config = {
      tokenizer_class: 'LlamaTokenizer',
      bos_token: '<s>',
      eos_token: '</s>',
      unk_token: '<unk>',
    };
    const template =
      "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
    const messages = [
      { role: 'system', content: 'Be kind' },
      { role: 'user', content: 'a cat' },
    ];
    const rendered = 'system: Be kind\nuser: a cat\nassistant:';
    const plain = await loadWith(json, config);
    expect(plain.encodeChat).toBeNull();
    const own = await loadWith(json, { ...config, chat_template: template });
    // A template that wants BOS writes it itself.
    expect(own.encodeChat!(messages)).toEqual(plain.encode(rendered).slice(1));
    await writeFile(join(directory, 'chat_template.jinja'), `{{ bos_token }}${template}`);
    const beside = await loadWith(json, config);
    expect(beside.encodeChat!(messages)[0]).toBe(bos);
    expect(beside.decode(beside.encodeChat!(messages))).toContain('Be kind');
  });

  test('says of a chat template that cannot be rendered what is wrong with it', async () => {
    const config = {
      tokenizer_class: 'LlamaTokenizer',
      bos_token: '<s>',
      chat_template: '{{ raise_exception("no") }}',
    };
    const { encodeChat } = await loadWith(json, config);
    expect(() => encodeChat!([{ role: 'user', content: 'x' }])).toThrow(/no/);
  });

  test('agrees with plain byte-pair encoding on any text, and decodes to it again', async () => {
    const tokenizer = await loadTokenizer(stories);
    const text = fc
      .string({ unit: fc.constantFrom(...'abehlnotw THO.,é한\n'), minLength: 1, maxLength: 30 })
      .filter((text) => text.trim() === text);
    fc.assert(
      fc.property(text, (text) => {
        const ids = tokenizer.encode(text);
        expect(ids).toEqual(referenceEncode(json, text));
        expect(tokenizer.decode(ids)).toBe(text);
      }),
      { numRuns: 200 },
    );
  });

  test('adds BOS where only the config asks for it, and leaves it out where the config refuses it', async () => {
    const config = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' };
    const withoutTemplate = { ...json, post_processor: null };
    const encodeWith = async (tokenizer: object, addBos?: boolean) =>
      (await loadWith(tokenizer, { ...config, add_bos_token: addBos })).encode('a time')[0] === bos;
    expect(await encodeWith(json)).toBe(true);
    expect(await encodeWith(json, true)).toBe(true);
    expect(await encodeWith(json, false)).toBe(false);
    expect(await encodeWith(withoutTemplate)).toBe(false);
    expect(await encodeWith(withoutTemplate, true)).toBe(true);
    expect(await encodeWith(withoutTemplate, false)).toBe(false);
  });

  test('counts added tokens beyond the trained vocabulary', async () => {
    const added = [...json.added_tokens, { ...json.added_tokens[0]!, id: 600, content: '<pad>' }];
    expect((await loadWith({ ...json, added_tokens: added }, {})).vocabulary).toBe(601);
  });

  test('says what is wrong with a tokenizer that cannot be used', async () => {
    await expect(loadWith({ ...json, model: { type: 'BPE' } }, {})).rejects.toMatchObject({
      code: 'bad-tokenizer',
      message: expect.stringContaining('model.vocab'),
    });
    await expect(loadWith({ ...json, pre_tokenizer: { type: 'Nonsense' } }, {})).rejects.toMatchObject({
      code: 'bad-tokenizer',
    });
    await writeFile(join(directory, 'tokenizer.json'), JSON.stringify(json, null, 1).slice(0, 5000));
    await expect(loadTokenizer(directory)).rejects.toMatchObject({
      code: 'json-broken',
      message: expect.stringMatching(/tokenizer\.json is not valid JSON: .* at line \d+, column \d+/),
    });
    await rm(join(directory, 'tokenizer.json'));
    await expect(loadTokenizer(directory)).rejects.toMatchObject({ code: 'no-tokenizer' });
  });
});
