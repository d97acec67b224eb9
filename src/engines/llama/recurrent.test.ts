import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type TestTensor, writeGguf } from '../../models/gguf/gguf-file.test-support.js';
import { openGguf } from '../../models/gguf/open.js';
import { runSteps } from '../checked-steps.js';
import { LlamaDecoder } from './decoder.js';
import { findLlama } from './packages.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-recurrent-'));
afterAll(() => rmSync(directory, { recursive: true }));

const [hidden, inner, state, rank, kernel, layers] = [64, 128, 16, 8, 4, 2];
const tokens = ['<unk>', '<s>', '</s>', ...Array.from({ length: 61 }, (_, id) => `t${id}`)];

function tensor(name: string, ...shape: number[]): TestTensor {
  return { name, type: 0, shape, bytes: 4 * shape.reduce((product, dim) => product * dim, 1) };
}

const template = '{% for message in messages %}{{ message.content }}{% endfor %}';

/** A model of two layers of Mamba, all weights 0 but one. */
function writeMamba(path: string): void {
  const layer = (at: string) => [
    tensor(`${at}.attn_norm.weight`, hidden),
    tensor(`${at}.ssm_in.weight`, hidden, 2 * inner),
    tensor(`${at}.ssm_conv1d.weight`, kernel, inner),
    tensor(`${at}.ssm_conv1d.bias`, inner),
    tensor(`${at}.ssm_x.weight`, inner, rank + 2 * state),
    tensor(`${at}.ssm_dt.weight`, rank, inner),
    tensor(`${at}.ssm_dt.bias`, inner),
    tensor(`${at}.ssm_a`, state, inner),
    tensor(`${at}.ssm_d`, inner),
    tensor(`${at}.ssm_out.weight`, inner, hidden),
  ];
  writeGguf(
    path,
    {
      'general.architecture': 'mamba',
      'mamba.context_length': 256,
      'mamba.embedding_length': hidden,
      'mamba.feed_forward_length': 0,
      'mamba.attention.head_count': 0,
      'mamba.block_count': layers,
      'mamba.ssm.conv_kernel': kernel,
      'mamba.ssm.inner_size': inner,
      'mamba.ssm.state_size': state,
      'mamba.ssm.time_step_rank': rank,
      'mamba.attention.layer_norm_rms_epsilon': 0.00001,
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.chat_template': template,
    },
    [
      tensor('token_embd.weight', hidden, tokens.length),
      tensor('output_norm.weight', hidden),
      tensor('output.weight', hidden, tokens.length),
      ...Array.from({ length: layers }, (_, index) => layer(`blk.${index}`)).flat(),
    ],
  );
}

describe.skipIf(findLlama('cpu') === null)('a recurrent model in llama.cpp', () => {
  const path = join(directory, 'mamba.gguf');
  writeMamba(path);
  const trying = async (reads: Parameters<typeof runSteps>[1]) => {
    const { paths, contextLength, cost } = await openGguf(path, { cacheDirectory: directory });
    const model = { paths, contextLength, kvBytesPerPosition: cost.kvBytesPerToken };
    const decoder = new LlamaDecoder(model, { threads: 1, device: 'cpu' });
    try {
      return await runSteps(decoder, reads, undefined);
    } finally {
      decoder.close();
    }
  };

  it('runs, with a reason in place of its costs', async () => {
    const { cost } = await openGguf(path, { cacheDirectory: directory });
    expect(cost.notCounted).toContain('"mamba"');
    const steps = await trying({ prefixCache: false });
    expect(steps.every(({ logits }) => logits.every(Number.isFinite))).toBe(true);
  });

  it('has the chat template of its file', async () => {
    const { paths, contextLength, cost, hasChatTemplate } = await openGguf(path, {
      cacheDirectory: directory,
    });
    const model = { paths, contextLength, kvBytesPerPosition: cost.kvBytesPerToken };
    const decoder = new LlamaDecoder(model, { threads: 1, device: 'cpu' });
    const ids = decoder.tokenizer.encodeChat?.([{ role: 'user', content: '</s>' }]);
    decoder.close();
    expect(hasChatTemplate).toBe(true);
    expect(ids).toEqual([2]);
  });

  it.each([
    ['prefix-cache-unsupported', { prefixCache: true }],
    ['speculation-unsupported', { prefixCache: false, takesBack: true }],
  ] as const)('is refused before a run that asks for what it cannot: %s', async (code, reads) => {
    await expect(trying(reads)).rejects.toMatchObject({ code, exitCode: 2 });
  });
});
