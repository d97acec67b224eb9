import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findOllama, listOllama } from './store.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-ollama-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const model = 'application/vnd.ollama.image.model';
const digest = (letter: string) => letter.repeat(64);
let store: string;

const blobOf = (letter: string) => join(store, 'blobs', `sha256-${digest(letter)}`);

/** A manifest as Ollama lays it down, with the layers of a model that was pulled; its weights are empty files. */
function pulled(path: string, layers: { mediaType?: string; digest?: string }[] = [{}]): void {
  const file = join(store, 'manifests', path);
  mkdirSync(dirname(file), { recursive: true });
  const template = {
    mediaType: 'application/vnd.ollama.image.template',
    digest: `sha256:${digest('9')}`,
    size: 5,
  };
  const own = layers.map((layer) => ({
    mediaType: model,
    digest: `sha256:${digest('a')}`,
    size: 1234,
    ...layer,
  }));
  writeFileSync(file, JSON.stringify({ schemaVersion: 2, layers: [template, ...own] }));
  mkdirSync(join(store, 'blobs'), { recursive: true });
  for (const letter of 'abc') writeFileSync(blobOf(letter), '');
}

beforeEach(() => {
  store = mkdtempSync(join(scratch, 'models-'));
  vi.stubEnv('OLLAMA_MODELS', store);
});
afterEach(() => vi.unstubAllEnvs());

describe('models that Ollama has pulled', () => {
  it('are found by the names that Ollama calls them by', async () => {
    pulled('registry.example/library/llama3.2/latest');
    pulled('registry.example/library/llama3.2/1b', [{ digest: `sha256:${digest('b')}` }]);
    pulled('registry.example/someone/llama3.2/latest');
    pulled('hub.example/owner/Model-GGUF/Q4_K_M');
    expect(await findOllama('ollama:llama3.2')).toEqual({
      ...{ name: 'llama3.2:latest', bytes: 1234 },
      path: blobOf('a'),
    });
    expect(await findOllama('ollama:llama3.2:1b')).toMatchObject({
      path: blobOf('b'),
    });
    for (const name of ['someone/llama3.2', 'hub.example/owner/Model-GGUF:Q4_K_M', 'library/llama3.2:1b'])
      expect((await findOllama(`ollama:${name}`)).bytes).toBe(1234);
    expect((await listOllama()).map(({ name }) => name)).toEqual([
      'llama3.2:1b',
      'llama3.2:latest',
      'owner/Model-GGUF:Q4_K_M',
      'someone/llama3.2:latest',
    ]);
  });

  it('of one name from two hosts are told apart', async () => {
    pulled('one.example/library/qwen3/8b');
    pulled('other.example/library/qwen3/8b', [{ digest: `sha256:${digest('c')}` }]);
    await expect(findOllama('ollama:qwen3:8b')).rejects.toMatchObject({
      code: 'unknown-model',
      hint: expect.stringContaining('one.example/library/qwen3:8b'),
    });
    const { path } = await findOllama('ollama:other.example/library/qwen3:8b');
    expect(path).toContain(digest('c'));
  });

  it('are named where another is asked for, the nearest first', async () => {
    pulled('registry.example/library/llama3.2/1b');
    for (const spec of ['ollama:lama3.2:1b', 'ollama:llama3.2', 'ollama:']) {
      await expect(findOllama(spec)).rejects.toMatchObject({
        ...{ code: 'unknown-model', exitCode: 2 },
        hint: expect.stringContaining('ollama:llama3.2:1b'),
      });
    }
    vi.stubEnv('OLLAMA_MODELS', join(store, 'elsewhere'));
    expect(await listOllama()).toEqual([]);
    await expect(findOllama('ollama:llama3.2')).rejects.toMatchObject({
      hint: expect.stringContaining('elsewhere'),
    });
  });

  it('whose tag was left out are named by the latest of the nearest', async () => {
    for (const tag of ['latest', 'q4']) pulled(`registry.example/library/goodtiny/${tag}`);
    await expect(findOllama('ollama:godtiny')).rejects.toMatchObject({
      hint: expect.stringContaining('"ollama:goodtiny:latest"'),
    });
  });

  it('whose weights are not there any more are refused, and not listed', async () => {
    pulled('registry.example/library/gone/latest');
    rmSync(blobOf('a'));
    await expect(findOllama('ollama:gone')).rejects.toMatchObject({
      ...{ code: 'model-missing', exitCode: 2 },
      hint: expect.stringContaining('Pull the model again'),
    });
    expect(await listOllama()).toEqual([]);
  });

  it.each<[what: string, layers: { mediaType?: string; digest?: string }[]]>([
    ['no weights', []],
    ['weights in many files', [{}, {}]],
    ['an adapter', [{}, { mediaType: 'application/vnd.ollama.image.adapter' }]],
    ['a digest that is a path', [{ digest: 'sha256:../../../etc/passwd' }]],
  ])('that have %s are refused, and not listed', async (_what, layers) => {
    pulled('registry.example/library/odd/latest', layers);
    await expect(findOllama('ollama:odd')).rejects.toMatchObject({ code: 'bad-gguf', exitCode: 2 });
    expect(await listOllama()).toEqual([]);
  });
});
