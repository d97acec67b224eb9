import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../models/build/build-model.js';
import { describeDecoder } from '../../models/decoder-graph.js';
import { onnxFileName } from '../../models/dtype.js';
import { decodeModel } from '../../models/onnx/proto.js';
import { loadRecipe } from '../../models/recipe.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import type { Decoder, Sequence } from '../engine.js';
import { type DecoderModel, openDecoder } from './open-decoder.js';

const storiesPath = sharedPath('models/stories260K/onnx/model.onnx');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-transfer-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function modelAt(onnxPath: string): DecoderModel {
  return { onnxPath, decoder: describeDecoder(decodeModel(readFileSync(onnxPath))), contextLength: 128 };
}

async function tiny(
  dtype: 'fp32' | 'fp16' | 'q4',
  graphVariant: 'contrib' | 'standard',
): Promise<DecoderModel> {
  const folder = await buildModel(await loadRecipe('tiny'), { dtype, graphVariant, cacheDirectory: scratch });
  return modelAt(join(folder, 'onnx', onnxFileName(dtype)));
}

/** Ids spread over a vocabulary, the same for the same arguments. */
function ids(count: number, vocabulary: number, salt: number): BigInt64Array {
  return BigInt64Array.from({ length: count }, (_, i) => BigInt(((i + salt + 1) * 131) % vocabulary));
}

/** Positions `from` to `to` of a row, exported. */
function exported(decoder: Decoder, sequence: Sequence, row: number, from: number, to: number): Uint8Array {
  const target = new Uint8Array((to - from) * decoder.kvBytesPerPosition);
  sequence.exportCache(row, [{ from, to, target }]);
  return target;
}

const models = [
  ['tiny fp32, cache in place', () => tiny('fp32', 'contrib')],
  ['tiny fp32, cache appended to', () => tiny('fp32', 'standard')],
  ['tiny fp16', () => tiny('fp16', 'contrib')],
  ['tiny q4', () => tiny('q4', 'contrib')],
  ...(lacksShared ? [] : [['stories260K', async () => modelAt(storiesPath)] as const]),
] as const;
const backends = ['native', 'node'] as const;

describe.each(models)('cached positions of %s', (_, load) => {
  it.each(backends)('%s: give the logits that computing them gives, bit by bit', async (backend) => {
    const decoder = await openDecoder(await load(), { threads: 1, backend });
    const { vocabulary } = decoder;
    const [prefix, rest, next] = [ids(12, vocabulary, 0), ids(5, vocabulary, 40), ids(1, vocabulary, 90)];
    const computed = decoder.open({ batch: 1, capacity: 20 });
    await computed.step(prefix);
    // In chunks of unequal size, as blocks of a paged cache and a rest.
    const chunks = [
      [0, 4],
      [4, 11],
      [11, 12],
    ].map(([from, to]) => exported(decoder, computed, 0, from!, to!));
    const cached = decoder.open({ batch: 1, capacity: 24 });
    cached.importCache([chunks.slice(0, 2)]);
    cached.importCache([chunks.slice(2)]);
    expect([cached.length, cached.kvBytes]).toEqual([12, computed.kvBytes]);
    for (const step of [rest, next]) {
      const expected = Float32Array.from((await computed.step(step, 'all')).data);
      expect(Float32Array.from((await cached.step(step, 'all')).data)).toEqual(expected);
    }
    // What came in goes out unchanged, and so does what was computed on top of it.
    expect(exported(decoder, cached, 0, 0, 18)).toEqual(exported(decoder, computed, 0, 0, 18));
    for (const sequence of [computed, cached]) sequence.close();
    decoder.close();
  });

  it.each(backends)('%s: replace a prefix of one prefill within rounding', async (backend) => {
    const decoder = await openDecoder(await load(), { threads: 1, backend });
    const tokens = ids(24, decoder.vocabulary, 7);
    const whole = decoder.open({ batch: 1, capacity: 24 });
    const expected = Float32Array.from((await whole.step(tokens)).data);
    const cached = decoder.open({ batch: 1, capacity: 24 });
    cached.importCache([[exported(decoder, whole, 0, 0, 16)]]);
    const { data } = await cached.step(tokens.slice(16));
    const tolerance = (await load()).decoder.layers[0]!.dtype === 'fp16' ? 2e-2 : 1e-3;
    for (let i = 0; i < data.length; i++)
      expect(Math.abs(data[i]! - expected[i]!)).toBeLessThanOrEqual(tolerance);
    decoder.close();
  });

  it.each(backends)('%s: go to each row of a batch', async (backend) => {
    const decoder = await openDecoder(await load(), { threads: 1, backend });
    const { vocabulary } = decoder;
    const prefixes = [0, 1, 2].map((row) => ids(6, vocabulary, 31 * row));
    const batch = decoder.open({ batch: 3, capacity: 10 });
    await batch.step(BigInt64Array.from(prefixes.flatMap((prefix) => [...prefix])));
    const rows = [0, 1, 2].map((row) => exported(decoder, batch, row, 0, 6));
    const cached = decoder.open({ batch: 3, capacity: 10 });
    // Rows in another order, their first four positions and the last two apart.
    const order = [2, 0, 1];
    const cut = 4 * decoder.kvBytesPerPosition;
    cached.importCache(order.map((row) => [exported(decoder, batch, row, 0, 4)]));
    cached.importCache(order.map((row) => [exported(decoder, batch, row, 4, 6)]));
    for (const [row, source] of order.entries()) {
      expect(exported(decoder, cached, row, 0, 4)).toEqual(exported(decoder, batch, source, 0, 4));
      expect(exported(decoder, cached, row, 0, 6)).toEqual(rows[source]);
    }
    expect(rows[0]!.subarray(0, cut)).not.toEqual(rows[1]!.subarray(0, cut));
    const next = [ids(1, vocabulary, 50)[0]!, ids(1, vocabulary, 60)[0]!, ids(1, vocabulary, 70)[0]!];
    const expected = Float32Array.from((await batch.step(BigInt64Array.from(next))).data);
    const { data } = await cached.step(BigInt64Array.from(order, (row) => next[row]!));
    for (const [row, source] of order.entries())
      expect(Float32Array.from(data.subarray(row * vocabulary, (row + 1) * vocabulary))).toEqual(
        expected.subarray(source * vocabulary, (source + 1) * vocabulary),
      );
    for (const sequence of [batch, cached]) sequence.close();
    decoder.close();
  });
});

describe.each(backends)('%s: refused are', (backend) => {
  it('positions that are not cached, that do not fit, and rows that do not match', async () => {
    const decoder = await openDecoder(await tiny('fp32', 'contrib'), { threads: 1, backend });
    const size = decoder.kvBytesPerPosition;
    const sequence = decoder.open({ batch: 2, capacity: 4 });
    await sequence.step(ids(4, decoder.vocabulary, 0));
    const some = new Uint8Array(size);
    for (const [row, from, to] of [
      [0, 2, 3],
      [2, 0, 1],
      [-1, 0, 1],
      [0, -1, 0],
      [0, 1, 0],
      [0, 0.5, 1.5],
    ] as const)
      expect(() => sequence.exportCache(row, [{ from, to, target: some }])).toThrow(RangeError);
    expect(() => sequence.exportCache(0, [{ from: 0, to: 2, target: some }])).toThrow(/2 positions take/);
    expect(() => sequence.importCache([[some]])).toThrow(RangeError);
    expect(() => sequence.importCache([[some], [some, some]])).toThrow(RangeError);
    expect(() => sequence.importCache([[some.subarray(1)], [some]])).toThrow(RangeError);
    expect(() => sequence.importCache([[new Uint8Array(3 * size)], [new Uint8Array(3 * size)]])).toThrow(
      expect.objectContaining({ code: 'context-exceeded' }),
    );
    // None of it has changed the sequence.
    expect(sequence.length).toBe(2);
    sequence.importCache([[], []]);
    expect(sequence.length).toBe(2);
    sequence.close();
    expect(() => sequence.exportCache(0, [{ from: 0, to: 1, target: some }])).toThrow(/closed/);
    expect(() => sequence.importCache([[some], [some]])).toThrow(/closed/);
    decoder.close();
  });
});
