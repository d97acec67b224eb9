import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildGguf } from '../../models/build/gguf/build.js';
import { smallRecipes } from '../../models/build/shapes.test-support.js';
import { loadTokenizer } from '../../models/tokenizer.js';
import { LlamaModel } from './model.js';
import { findLlama } from './packages.js';
import { vocabularyTokenizer } from './tokenizer.js';

const messages = [
  { role: 'system', content: 'the price of a token' },
  { role: 'user', content: 'a token, the price' },
];
const template =
  '{% for message in messages %}[{{ message.role }}] {{ message.content | trim }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}';

describe.skipIf(findLlama('cpu') === null)('the chat template inside a GGUF file', () => {
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-template-'));
  let folder: string;
  let model: LlamaModel;
  beforeAll(async () => {
    folder = await buildGguf(smallRecipes.qwen2, { dtype: 'q4', cacheDirectory });
    model = LlamaModel.load([join(folder, 'model.gguf')], 'cpu');
  });
  afterAll(() => {
    model.close();
    rmSync(cacheDirectory, { recursive: true });
  });

  /** The tokenizer of the file, as if this were its template. */
  const tokenizerWith = (chatTemplate: string | null) => {
    const { api, address, vocabulary } = model;
    return vocabularyTokenizer({ api: { ...api, chatTemplate: () => chatTemplate }, address, vocabulary });
  };

  it('gives the ids that transformers.js gives by the same template and vocabulary', async () => {
    const beside = mkdtempSync(join(cacheDirectory, 'beside-'));
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      copyFileSync(join(folder, name), join(beside, name));
    writeFileSync(join(beside, 'chat_template.jinja'), template);
    const expected = (await loadTokenizer(beside)).encodeChat!(messages);
    expect(tokenizerWith(template).encodeChat!(messages)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(20);
  });

  it('is null where the file has none', () => {
    expect(vocabularyTokenizer(model).encodeChat).toBeNull();
  });

  it('is named where it does not render', () => {
    const { encodeChat } = tokenizerWith("{{ raise_exception('no system role') }}");
    expect(() => encodeChat!(messages)).toThrow(/tokenizer\.chat_template.*no system role/);
  });
});
