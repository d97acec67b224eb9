import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../models/build/build-model.js';
import { describeDecoder } from '../../models/decoder-graph.js';
import { onnxFileName } from '../../models/dtype.js';
import { decodeModel } from '../../models/onnx/proto.js';
import { loadRecipe } from '../../models/recipe.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import type { Decoder, Logits } from '../engine.js';
import { backendVariable, type DecoderModel, openDecoder, requestTermination } from './open-decoder.js';
import { chooseBackend } from './parity/choose-backend.js';
import { compareLogits, sampleLogits } from './parity/compare-logits.js';

const storiesPath = sharedPath('models/stories260K/onnx/model.onnx');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-engine-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function modelAt(onnxPath: string, contextLength: number): DecoderModel {
  return { onnxPath, decoder: describeDecoder(decodeModel(readFileSync(onnxPath))), contextLength };
}

async function tiny(
  dtype: 'fp32' | 'fp16' | 'q4',
  graphVariant: 'contrib' | 'standard',
): Promise<DecoderModel> {
  const folder = await buildModel(await loadRecipe('tiny'), { dtype, graphVariant, cacheDirectory: scratch });
  return modelAt(join(folder, 'onnx', onnxFileName(dtype)), 128);
}

async function withDecoder<T>(
  model: DecoderModel,
  backend: 'native' | 'node',
  use: (decoder: Decoder) => Promise<T>,
): Promise<T> {
  const decoder = await openDecoder(model, { threads: 1, backend });
  try {
    return await use(decoder);
  } finally {
    decoder.close();
  }
}

/** Ids spread over a vocabulary, the same for the same arguments. */
function ids(count: number, vocabulary: number, salt = 0): BigInt64Array {
  return BigInt64Array.from({ length: count }, (_, i) => BigInt(((i + salt + 1) * 131) % vocabulary));
}

function argmax(logits: Logits): number {
  return logits.data.indexOf(Math.max(...logits.data));
}

/** Copies of the logits of a prefill of 9 tokens a row, two single steps, and a chunk of 3. */
async function stepThrough(decoder: Decoder, batch: number, chunk = true): Promise<Float32Array[]> {
  const sequence = decoder.open({ batch, capacity: 32 });
  const seen: Float32Array[] = [];
  for (const [salt, perRow] of [9, 1, 1, ...(chunk ? [3] : [])].entries()) {
    const logits = await sequence.step(ids(batch * perRow, decoder.vocabulary, salt), 'all');
    expect(logits).toMatchObject({ batch, positions: perRow, vocabulary: decoder.vocabulary });
    seen.push(Float32Array.from(logits.data));
  }
  sequence.close();
  return seen;
}

describe.skipIf(lacksShared)('a trained model (stories260K)', () => {
  const model = () => modelAt(storiesPath, 512);

  it('continues "Once upon a time" alike on both back ends', async () => {
    const continuation = (decoder: Decoder) =>
      (async () => {
        const sequence = decoder.open({ batch: 1, capacity: 64 });
        let logits = await sequence.step(BigInt64Array.of(1n, 403n, 407n, 261n, 378n));
        const tokens: number[] = [];
        for (let i = 0; i < 40; i++) {
          tokens.push(argmax(logits));
          logits = await sequence.step(BigInt64Array.of(BigInt(tokens.at(-1)!)));
        }
        sequence.close();
        return tokens;
      })();
    const native = await withDecoder(model(), 'native', continuation);
    expect(native).toEqual(await withDecoder(model(), 'node', continuation));
    // A language model, not a stuck one.
    expect(new Set(native).size).toBeGreaterThan(10);
  });

  it('computes the same for a row of a batch as for the row alone', async () => {
    await withDecoder(model(), 'native', async (decoder) => {
      const rows = [ids(7, 512, 3), ids(7, 512, 50), ids(7, 512, 91)];
      const together = decoder.open({ batch: 3, capacity: 8 });
      const batched = await together.step(BigInt64Array.from(rows.flatMap((row) => [...row])));
      for (const [i, row] of rows.entries()) {
        const alone = decoder.open({ batch: 1, capacity: 8 });
        const { data } = await alone.step(row);
        const inBatch = batched.data.subarray(i * 512, (i + 1) * 512);
        for (let j = 0; j < 512; j++) expect(inBatch[j]).toBeCloseTo(data[j]!, 4);
        alone.close();
      }
      together.close();
    });
  });

  it('computes the same token by token as in one prefill', async () => {
    await withDecoder(model(), 'native', async (decoder) => {
      const tokens = ids(12, 512);
      const whole = decoder.open({ batch: 1, capacity: 12 });
      const prefill = Float32Array.from((await whole.step(tokens, 'all')).data);
      const stepwise = decoder.open({ batch: 1, capacity: 12 });
      for (let i = 0; i < tokens.length; i++) {
        const { data } = await stepwise.step(tokens.slice(i, i + 1));
        for (let j = 0; j < 512; j++) expect(data[j]).toBeCloseTo(prefill[i * 512 + j]!, 3);
      }
      whole.close();
      stepwise.close();
    });
  });

  it('counts the bytes its cached positions hold', async () => {
    await withDecoder(model(), 'native', async (decoder) => {
      const sequence = decoder.open({ batch: 2, capacity: 20 });
      expect([sequence.length, sequence.kvBytes]).toEqual([0, 0]);
      await sequence.step(ids(2 * 6, 512));
      // rows · positions · layers · (key, value) · heads · head size · bytes of fp32
      expect([sequence.length, sequence.kvBytes]).toEqual([6, 2 * 6 * 5 * 2 * 4 * 8 * 4]);
      sequence.close();
    });
  });

  it('finds that the back ends agree, and then takes the native one', async () => {
    const choice = await chooseBackend(model(), { threads: 1, backend: 'auto' }, { withinMs: 60_000 });
    expect(choice).toMatchObject({ backend: 'native', warnings: [], parity: { tokens: 16 } });
    expect(choice.parity!.maxAbsDifference).toBeLessThanOrEqual(1e-5);
  });
});

describe.each([
  ['fp32', 'contrib', true],
  ['fp16', 'contrib', true],
  ['q4', 'contrib', true],
  ['fp32', 'standard', false],
  ['fp16', 'standard', false],
] as const)('a built model, %s in %s ops', (dtype, graphVariant, inPlace) => {
  let model: DecoderModel;
  beforeAll(async () => {
    model = await tiny(dtype, graphVariant);
  });

  // In place against a cache of exact length: the Node binding knows only the latter.
  it.each([1, 3])('gives the logits of the Node binding for a batch of %i', async (batch) => {
    expect(model.decoder.cacheInPlace).toBe(inPlace);
    // GroupQueryAttention takes several tokens after cached ones for one row only.
    const chunk = batch === 1 || !inPlace;
    const native = await withDecoder(model, 'native', (decoder) => stepThrough(decoder, batch, chunk));
    const node = await withDecoder(model, 'node', (decoder) => stepThrough(decoder, batch, chunk));
    for (const [step, logits] of native.entries()) {
      const differences = logits.map((value, i) => Math.abs(value - node[step]![i]!));
      expect(Math.max(...differences)).toBeLessThanOrEqual(1e-5);
    }
  });

  it.each(['native', 'node'] as const)('%s: a truncated cache is as if never grown', async (backend) => {
    await withDecoder(model, backend, async (decoder) => {
      const [grown, fresh] = [1, 2].map(() => decoder.open({ batch: 2, capacity: 24 }));
      const prompt = ids(2 * 8, decoder.vocabulary);
      const next = ids(2, decoder.vocabulary, 77);
      for (const sequence of [grown!, fresh!]) await sequence.step(prompt);
      for (let i = 0; i < 5; i++) await grown!.step(ids(2, decoder.vocabulary, i));
      grown!.truncate(8);
      expect(grown!.length).toBe(8);
      const again = Float32Array.from((await grown!.step(next)).data);
      expect(again).toEqual(Float32Array.from((await fresh!.step(next)).data));
      grown!.truncate(0);
      expect(grown!.length).toBe(0);
      await grown!.step(prompt);
      expect(Float32Array.from((await grown!.step(next)).data)).toEqual(again);
      for (const sequence of [grown!, fresh!]) sequence.close();
    });
  });
});

describe('parity', () => {
  const sample = (logits: number[]) => ({ tokens: 1, logits: Float32Array.from(logits) });

  it('is not found between two different models', async () => {
    const [a, b] = [await tiny('fp32', 'contrib'), await tiny('q4', 'contrib')];
    const parity = compareLogits(
      await withDecoder(a, 'native', sampleLogits),
      await withDecoder(b, 'native', sampleLogits),
      1e-3,
    );
    expect(parity.identical).toBe(false);
    expect(parity.maxAbsDifference).toBeGreaterThan(parity.tolerance);
  });

  it.each([
    [[1, 2], [1, 2.5], 0.5],
    [[1, Number.NaN], [1, 2], Number.POSITIVE_INFINITY],
    [[1], [1, 2], Number.POSITIVE_INFINITY],
  ])('of %j and %j is %d', (a, b, difference) => {
    const parity = compareLogits(sample(a), sample(b), 1);
    expect(parity).toMatchObject({ identical: false, maxAbsDifference: difference, tokens: 1 });
  });

  it('holds where both are not numbers alike', () => {
    const same = [1, Number.NaN, Number.NEGATIVE_INFINITY];
    expect(compareLogits(sample(same), sample(same), 1)).toMatchObject({
      identical: true,
      maxAbsDifference: 0,
    });
  });
});

describe.each(['native', 'node'] as const)('the %s back end refuses', (backend) => {
  let model: DecoderModel;
  beforeAll(async () => {
    model = await tiny('fp32', 'contrib');
  });

  it('more tokens than a sequence has room for, and keeps the sequence usable', async () => {
    await withDecoder(model, backend, async (decoder) => {
      const sequence = decoder.open({ batch: 1, capacity: 4 });
      await sequence.step(ids(4, decoder.vocabulary));
      await expect(sequence.step(BigInt64Array.of(1n))).rejects.toMatchObject({ code: 'context-exceeded' });
      sequence.truncate(3);
      await sequence.step(BigInt64Array.of(1n));
      expect(() => decoder.open({ batch: 1, capacity: 129 })).toThrow(/context of 128/);
      sequence.close();
      await expect(sequence.step(BigInt64Array.of(1n))).rejects.toThrow(/closed/);
    });
  });

  it('token ids beyond the vocabulary, and steps that do not fit the batch', async () => {
    await withDecoder(model, backend, async (decoder) => {
      const sequence = decoder.open({ batch: 2, capacity: 4 });
      for (const id of [BigInt(decoder.vocabulary), -1n])
        await expect(sequence.step(BigInt64Array.of(0n, id))).rejects.toMatchObject({
          code: 'token-out-of-vocabulary',
        });
      for (const odd of [[], [1n], [1n, 2n, 3n]])
        await expect(sequence.step(BigInt64Array.from(odd))).rejects.toMatchObject({ code: 'invalid-step' });
      expect(() => sequence.truncate(1)).toThrow(RangeError);
      sequence.close();
    });
  });

  it.each([
    ['missing', null, 'model-not-found'],
    ['text', Buffer.from('this is no model'), 'model-unreadable'],
    ['empty', Buffer.alloc(0), 'model-unreadable'],
    ['truncated', 'half', 'model-unreadable'],
  ] as const)('a %s file, saying so', async (name, content, code) => {
    const onnxPath = join(scratch, `${backend}-${name}.onnx`);
    if (content === 'half') {
      const whole = readFileSync(model.onnxPath);
      writeFileSync(onnxPath, whole.subarray(0, whole.length >> 1));
    } else if (content !== null) writeFileSync(onnxPath, content);
    const opening = openDecoder({ ...model, onnxPath }, { threads: 1, backend });
    await expect(opening).rejects.toMatchObject({
      code,
      exitCode: 2,
      message: expect.stringContaining(onnxPath),
    });
  });
});

describe('the choice of back end', () => {
  it('follows the environment variable where nobody else chose, and says so', async () => {
    const model = await tiny('fp32', 'contrib');
    process.env[backendVariable] = 'node';
    try {
      const decoder = await openDecoder(model, { threads: 1, backend: 'auto' });
      expect(decoder.record).toMatchObject({
        backend: 'node',
        backendReason: `asked for by ${backendVariable}`,
      });
      decoder.close();
      process.env[backendVariable] = 'cuda';
      await expect(openDecoder(model, { threads: 1, backend: 'auto' })).rejects.toMatchObject({
        code: 'unknown-backend',
      });
    } finally {
      delete process.env[backendVariable];
    }
  });
});

describe('the native back end', () => {
  it('serves a termination once, leaves the cache as it was, and goes on', async () => {
    await withDecoder(await tiny('fp32', 'standard'), 'native', async (decoder) => {
      const sequence = decoder.open({ batch: 1, capacity: 16 });
      const [prompt, next] = [ids(5, decoder.vocabulary), ids(1, decoder.vocabulary, 9)];
      await sequence.step(prompt);
      requestTermination(decoder.terminationHandle!);
      await expect(sequence.step(next)).rejects.toMatchObject({ code: 'terminated', exitCode: 3 });
      expect(sequence.length).toBe(5);
      const after = Float32Array.from((await sequence.step(next)).data);
      requestTermination(decoder.terminationHandle!);
      // One that came after its request had ended does not stop the next request.
      const fresh = decoder.open({ batch: 1, capacity: 16 });
      await fresh.step(prompt);
      expect(Float32Array.from((await fresh.step(next)).data)).toEqual(after);
      for (const open of [sequence, fresh]) open.close();
    });
  });

  it.runIf(process.platform === 'linux')('knows the threads it computes on', async () => {
    const model = await tiny('fp32', 'contrib');
    const single = await openDecoder(model, { threads: 1, backend: 'native' });
    expect(single.threadIds).toEqual([]);
    for (const backend of ['native', 'node'] as const) {
      const name = readFileSync('/proc/thread-self/comm', 'utf8');
      const several = await openDecoder(model, { threads: 3, backend });
      // The calling thread is the third.
      expect(several.threadIds).toHaveLength(2);
      for (const id of several.threadIds!) expect(existsSync(`/proc/self/task/${id}`)).toBe(true);
      expect(readFileSync('/proc/thread-self/comm', 'utf8')).toBe(name);
      several.close();
    }
    single.close();
  });
});
