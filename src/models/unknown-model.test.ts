import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { locateModel } from './resolve.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tokenwork-unknown-'));
  vi.stubEnv('OLLAMA_MODELS', join(directory, 'ollama'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

const refusal = async (spec: string) => {
  const error = await locateModel(spec).then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: 'unknown-model', exitCode: 2 });
  return error as { message: string; hint: string };
};

describe('a name that is no model here', () => {
  test.each([
    'http://127.0.0.1:8000/v1',
    'https://api.example.com/v1',
    '127.0.0.1:8000',
    'localhost:11434/v1/chat',
    'gpu-box.lan:8080',
    '[::1]:8000',
  ])('%s is told apart as a server', async (spec) => {
    const { message, hint } = await refusal(spec);
    expect(message).toContain(`${spec} is a server, and tokenwork runs models itself`);
    expect(hint).toContain('GGUF');
  });

  test.each([
    'gpt-4o',
    'gpt-4o-mini',
    'openai/gpt-4o',
    'claude-sonnet-4',
    'anthropic:claude-3-opus',
    'gemini-2.0-flash',
    'o3-mini',
  ])('%s is told apart as closed, with open ones in its place', async (spec) => {
    const { message, hint } = await refusal(spec);
    expect(message).toContain('closed model');
    expect(hint).toContain('llama-3-8b');
    await expect(locateModel('llama-3-8b')).resolves.toMatchObject({ kind: 'recipe' });
  });

  test.each([
    ['https://huggingface.co/Qwen/Qwen2.5-0.5B', 'hf:Qwen/Qwen2.5-0.5B'],
    ['huggingface.co/Qwen/Qwen2.5-0.5B/tree/main', 'hf:Qwen/Qwen2.5-0.5B'],
    ['https://huggingface.co/a/b-GGUF/blob/main/b-q4.gguf?download=true', 'hf:a/b-GGUF:b-q4.gguf'],
    ['https://hf.co/a/b/resolve/v2/sub/c.gguf', 'hf:a/b@v2:sub/c.gguf'],
    ['https://ollama.com/library/llama3.2:1b', 'ollama:llama3.2:1b'],
    ['llama3.1:8b', 'ollama:llama3.1:8b'],
    ['openai/gpt-oss-20b', 'hf:openai/gpt-oss-20b'],
    ['gpt-2-124m', 'gpt2-124m'],
  ])('%s brings to mind %s', async (spec, meant) => {
    expect((await refusal(spec)).hint).toContain(`Did you mean "${meant}"?`);
  });

  test('is looked for among what Ollama has pulled', async () => {
    const manifests = join(directory, 'ollama/manifests/registry/library/llama3.1');
    await mkdir(manifests, { recursive: true });
    const layer = {
      mediaType: 'application/vnd.ollama.image.model',
      digest: `sha256:${'0'.repeat(64)}`,
      size: 1,
    };
    await mkdir(join(directory, 'ollama/blobs'));
    await writeFile(join(directory, 'ollama/blobs', layer.digest.replace(':', '-')), '0');
    for (const tag of ['8b', 'latest'])
      await writeFile(join(manifests, tag), JSON.stringify({ layers: [layer] }));
    expect((await refusal('llama3.1')).hint).toBe('Did you mean "ollama:llama3.1"?');
    expect((await refusal('llama3.1:8b')).hint).toBe('Did you mean "ollama:llama3.1:8b"?');
    expect((await refusal('llama3.1:70b')).hint).toContain('ollama pull llama3.1:70b');
  });

  test('is looked for among the files beside it', async () => {
    for (const name of ['smol-q4.gguf', 'smol-q8.gguf', 'other.onnx'])
      await writeFile(join(directory, name), '');
    const beside = (name: string) => join(directory, name);
    expect((await refusal(beside('smol-q5.gguf'))).hint).toBe(
      `Did you mean "${beside('smol-q4.gguf')}"? There are also "${beside('smol-q8.gguf')}".`,
    );
    expect((await refusal(beside('othr.onnx'))).hint).toBe(`Did you mean "${beside('other.onnx')}"?`);
    expect((await refusal(beside('no/x.gguf'))).message).toContain(`no folder ${beside('no')}`);
    expect((await refusal(beside('config.json'))).hint).toContain('holds no .json file');
  });
});

test('weights that no engine reads are told how to become some', async () => {
  const file = join(directory, 'model.safetensors');
  await writeFile(file, '');
  const { message, hint } = await refusal(file);
  expect(message).toContain('no engine here reads');
  for (const way of [join(directory, 'config.json'), 'convert_hf_to_gguf.py', 'optimum-cli export onnx'])
    expect(hint).toContain(way);
  const llama = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: 64,
    vocab_size: 512,
  };
  const shape = {
    intermediate_size: 172,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    num_hidden_layers: 5,
  };
  const config = {
    ...llama,
    ...shape,
    max_position_embeddings: 512,
    hidden_act: 'silu',
    bos_token_id: 1,
    eos_token_id: 2,
  };
  await writeFile(join(directory, 'config.json'), JSON.stringify(config));
  await expect(locateModel(directory)).resolves.toMatchObject({
    kind: 'recipe',
    notices: [{ code: 'weights-synthesised', hint: expect.stringContaining('convert_hf_to_gguf.py') }],
  });
});
