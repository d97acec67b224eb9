import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeDecoder } from '../../models/decoder-graph.js';
import { decodeModel } from '../../models/onnx/proto.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import type { Decoder } from '../engine.js';
import { openDecoder as openOnnx } from '../onnx/open-decoder.js';
import { requestTermination } from '../open.js';
import { LlamaDecoder } from './decoder.js';

const stories = `${sharedPath('models/stories260K')}/`;
const toIds = (ids: readonly number[]) => BigInt64Array.from(ids, BigInt);
const someIds = (count: number, seed = 1) =>
  Array.from({ length: count }, (_, i) => 3 + (((i + seed) * 131) % 500));
// 5 layers of 4 key and 4 value heads of 8, 2 bytes each.
const model = {
  paths: [`${stories}stories260K.gguf`],
  contextLength: 512,
  kvBytesPerPosition: 5 * 2 * 32 * 2,
};

describe.skipIf(lacksShared)('llama.cpp, with a trained model', () => {
  let llama: LlamaDecoder;
  let onnx: Decoder;
  beforeAll(async () => {
    llama = new LlamaDecoder(model, { threads: 1, device: 'cpu' });
    const onnxPath = `${stories}onnx/model.onnx`;
    const decoder = describeDecoder(decodeModel(readFileSync(onnxPath)));
    onnx = await openOnnx({ onnxPath, decoder, contextLength: 512 }, { threads: 1, backend: 'auto' });
  });
  afterAll(() => {
    llama.close();
    onnx.close();
  });

  async function logitsOf(decoder: Decoder, steps: number[][], keep: 'last' | 'all' = 'last') {
    const sequence = decoder.open({ batch: 1, capacity: 400 });
    try {
      const all: Float32Array[] = [];
      for (const ids of steps) all.push(Float32Array.from((await sequence.step(toIds(ids), keep)).data));
      return all;
    } finally {
      sequence.close();
    }
  }
  const farthest = (a: Float32Array, b: Float32Array) =>
    a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

  it('computes the logits that ONNX Runtime does', async () => {
    const steps = [someIds(40), [7], [9, 11, 13]];
    const [a, b] = [await logitsOf(llama, steps), await logitsOf(onnx, steps)];
    for (const [i, logits] of a.entries()) expect(farthest(logits, b[i]!), `step ${i}`).toBeLessThan(0.05);
    const [all] = await logitsOf(llama, [someIds(100)], 'all');
    const [last] = await logitsOf(llama, [someIds(100)]);
    expect(all).toHaveLength(100 * 512);
    expect(farthest(all!.subarray(99 * 512), last!)).toBeLessThan(0.02);
  });

  it('goes on from positions that were shared, and from those that were left', async () => {
    const decoder = new LlamaDecoder(model, { threads: 1, device: 'cpu' });
    const blocks = decoder.reserveBlocks(8, 16);
    const ids = someIds(70);
    const first = decoder.open({ batch: 1, capacity: 80, prefixCache: true });
    await first.step(toIds(ids.slice(0, 64)));
    const exports = [0, 1, 2, 3].map((i) => ({ from: 16 * i, to: 16 * (i + 1), target: blocks.block(i) }));
    first.exportCache(0, exports);
    const expected = Float32Array.from((await first.step(toIds(ids.slice(64)))).data);
    first.truncate(64);
    expect(farthest(Float32Array.from((await first.step(toIds(ids.slice(64)))).data), expected)).toBe(0);
    first.close();
    // Larger than the context has room for: what is held moves.
    for (const capacity of [80, 400]) {
      const second = decoder.open({ batch: 1, capacity, prefixCache: true });
      second.importCache([exports.map(({ target }) => target)]);
      expect(second.length).toBe(64);
      const logits = Float32Array.from((await second.step(toIds(ids.slice(64)))).data);
      expect(farthest(logits, expected), `${capacity}`).toBeLessThan(0.02);
      second.close();
    }
    decoder.close();
  });

  it('stops inside a step when it is told to, and goes on as if nothing had been', async () => {
    const [expected] = await logitsOf(llama, [someIds(64)]);
    const sequence = llama.open({ batch: 1, capacity: 64 });
    await sequence.step(toIds(someIds(64).slice(0, 40)));
    requestTermination(llama.record, llama.terminationHandle);
    const stopped = sequence.step(toIds(someIds(64).slice(40)));
    await expect(stopped).rejects.toMatchObject({ code: 'terminated' });
    expect(sequence.length).toBe(40);
    const { data } = await sequence.step(toIds(someIds(64).slice(40)));
    expect(farthest(Float32Array.from(data), expected!)).toBeLessThan(0.02);
    sequence.close();
  });

  it('computes the same on two threads, and knows the second', async () => {
    const pair = new LlamaDecoder(model, { threads: 2, device: 'cpu' });
    const [two] = await logitsOf(pair, [someIds(64)]);
    const [one] = await logitsOf(llama, [someIds(64)]);
    expect(farthest(two!, one!)).toBeLessThan(0.001);
    if (process.platform === 'linux') expect(pair.threadIds).toHaveLength(1);
    expect(llama.threadIds).toEqual([]);
    pair.close();
  });

  it('has its own tokenizer, there and back', () => {
    const text = 'Once upon a time, there was a little girl.';
    const ids = llama.tokenizer.encode(text);
    expect(ids[0]).toBe(1);
    expect(llama.tokenizer.decode(ids).trim()).toBe(text);
    expect(llama.tokenizer.decode([])).toBe('');
  });

  it('refuses what does not fit, as the other engine does', async () => {
    const sequence = llama.open({ batch: 1, capacity: 4 });
    await expect(sequence.step(toIds([1, 2, 3, 4, 5]))).rejects.toMatchObject({ code: 'context-exceeded' });
    await expect(sequence.step(toIds([512]))).rejects.toMatchObject({ code: 'token-out-of-vocabulary' });
    sequence.close();
    expect(() => llama.open({ batch: 1, capacity: 513 })).toThrow(
      expect.objectContaining({ code: 'context-exceeded' }),
    );
    expect(() => llama.open({ batch: 257, capacity: 8 })).toThrow();
  });

  it('runs rows side by side as it does alone', async () => {
    const rows = [someIds(20), someIds(20, 5), someIds(20, 9)];
    const sequence = llama.open({ batch: 3, capacity: 40 });
    const { data } = await sequence.step(toIds(rows.flat()));
    const together = Float32Array.from(data);
    sequence.close();
    for (const [row, ids] of rows.entries()) {
      const [alone] = await logitsOf(llama, [ids]);
      expect(farthest(together.subarray(row * 512, (row + 1) * 512), alone!)).toBeLessThan(0.02);
    }
  });
});
