import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../../models/build/build-model.js';
import type { GraphVariant } from '../../../models/build/graph-variant.js';
import { describeDecoder } from '../../../models/decoder-graph.js';
import { decodeModel } from '../../../models/onnx/proto.js';
import { loadRecipe, type Recipe } from '../../../models/recipe.js';
import type { Decoder, OnnxDevice } from '../../engine.js';
import { type DecoderModel, openDecoder, requestTermination } from '../open-decoder.js';
import { checkOnDevice, cpuReference } from './parity.js';
import { probeDevice } from './probe.js';

// Where no Vulkan device opens these are skipped: eval "$(scripts/software-vulkan.sh)" sets one up.
const { error } = await probeDevice('webgpu');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-webgpu-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
// A software GPU compiles a shader in up to a second, on a busy machine in several.
const stallTimeoutMs = 300_000;

async function tiny(
  graphVariant: GraphVariant,
  logits?: Recipe['logits'],
): Promise<DecoderModel & { dtype: string; graphVariant: string }> {
  const recipe = { ...(await loadRecipe('tiny')), logits };
  const folder = await buildModel(recipe, { dtype: 'fp32', graphVariant, cacheDirectory: scratch });
  const onnxPath = join(folder, 'onnx/model.onnx');
  const decoder = describeDecoder(decodeModel(readFileSync(onnxPath)));
  return { onnxPath, decoder, contextLength: 128, dtype: 'fp32', graphVariant };
}

const open = (model: DecoderModel, device: OnnxDevice) =>
  openDecoder(model, { threads: 1, backend: 'native', device });

/** Steps of every kind, with the cache cut back between them; the logits of each. */
async function exercise(decoder: Decoder, batch: number): Promise<Float32Array[]> {
  const sequence = decoder.open({ batch, capacity: 24 });
  const seen: Float32Array[] = [];
  const step = async (perRow: number, salt: number, keep: 'last' | 'all') => {
    const ids = BigInt64Array.from({ length: batch * perRow }, (_, i) =>
      BigInt(((i + salt + 1) * 131) % decoder.vocabulary),
    );
    const logits = await sequence.step(ids, keep);
    expect(logits).toMatchObject({ batch, positions: keep === 'all' ? perRow : 1 });
    seen.push(Float32Array.from(logits.data));
  };
  await step(9, 0, 'all');
  await step(1, 1, 'last');
  sequence.truncate(5);
  await step(1, 2, 'last');
  sequence.truncate(0);
  await step(7, 3, 'last'); // Of a graph known by now, only the last position is read back.
  await step(1, 4, 'all');
  expect([sequence.length, sequence.kvBytes]).toEqual([8, 8 * batch * decoder.kvBytesPerPosition]);
  sequence.close();
  return seen;
}

describe.skipIf(error !== null)('a decoder on WebGPU', () => {
  const models = new Map<GraphVariant, Awaited<ReturnType<typeof tiny>>>();
  beforeAll(async () => {
    for (const graphVariant of ['contrib', 'primitive'] as const)
      models.set(graphVariant, await tiny(graphVariant));
  });

  // Below 32 tokens contrib agrees on every driver; its cache grows in place, the other's does not.
  it.each([
    ['contrib', 1],
    ['primitive', 1],
    ['primitive', 3],
  ] as const)(
    'gives the CPU’s logits, %s graph, batch %i, through steps and cuts of its cache',
    async (graphVariant, batch) => {
      const model = models.get(graphVariant)!;
      const [cpu, gpu] = [await open(model, 'cpu'), await open(model, 'webgpu')];
      const [expected, found] = [await exercise(cpu, batch), await exercise(gpu, batch)];
      for (const [i, logits] of expected.entries())
        for (const [j, value] of logits.entries()) expect(found[i]![j]).toBeCloseTo(value, 3);
      expect([gpu.record.device, gpu.threadIds]).toEqual(['webgpu', null]);
      cpu.close();
      gpu.close();
    },
    stallTimeoutMs,
  );

  // The cache of the one grows in place, the other's is appended to.
  it.each(['contrib', 'primitive'] as const)(
    'continues from cached blocks as from positions computed, bit by bit, %s graph',
    async (graphVariant) => {
      const decoder = await open(models.get(graphVariant)!, 'webgpu');
      const { vocabulary } = decoder;
      const ids = (count: number, salt: number) =>
        BigInt64Array.from({ length: count }, (_, i) => BigInt(((i + salt + 1) * 131) % vocabulary));
      const blocks = decoder.reserveBlocks(6, 4);
      const computed = decoder.open({ batch: 1, capacity: 24 });
      await computed.step(ids(18, 0));
      const exports = [3, 0, 5, 2].map((index, i) => ({
        from: 4 * i,
        to: 4 * i + 4,
        target: blocks.block(index),
      }));
      computed.exportCache(0, exports.slice(0, 3));
      computed.exportCache(0, exports.slice(3));
      const chunks = exports.map(({ target }) => target);
      const cached = decoder.open({ batch: 1, capacity: 30 });
      // Into an empty cache, and after positions that it has.
      cached.importCache([chunks.slice(0, 3)]);
      cached.importCache([chunks.slice(3)]);
      expect([cached.length, cached.kvBytes]).toEqual([16, 16 * decoder.kvBytesPerPosition]);
      computed.truncate(16);
      for (const [count, salt] of [
        [5, 40],
        [1, 90],
      ] as const) {
        const expected = Float32Array.from((await computed.step(ids(count, salt), 'all')).data);
        expect(Float32Array.from((await cached.step(ids(count, salt), 'all')).data)).toEqual(expected);
      }
      // A block that was given to another prompt has nothing of the first; its neighbours are as they were.
      const other = decoder.open({ batch: 1, capacity: 24 });
      await other.step(ids(4, 70));
      other.exportCache(0, [{ from: 0, to: 4, target: blocks.block(0) }]);
      const [mixed, kept] = [
        decoder.open({ batch: 2, capacity: 10 }),
        decoder.open({ batch: 1, capacity: 10 }),
      ];
      mixed.importCache([[blocks.block(0)], [blocks.block(3)]]);
      kept.importCache([[blocks.block(3)]]);
      const next = ids(1, 5);
      const both = Float32Array.from((await mixed.step(BigInt64Array.of(next[0]!, next[0]!))).data);
      for (const [row, alone] of [other, kept].entries())
        for (const [i, value] of (await alone.step(next)).data.entries())
          expect(both[row * vocabulary + i]).toBeCloseTo(value, 4);
      for (const sequence of [computed, cached, other, mixed, kept]) sequence.close();
      decoder.close();
    },
    stallTimeoutMs,
  );

  it(
    'takes no positions from this process or from another reservation, and gives none to it',
    async () => {
      const decoder = await open(models.get('primitive')!, 'webgpu');
      const sequence = decoder.open({ batch: 1, capacity: 8 });
      await sequence.step(BigInt64Array.of(1n, 2n));
      const target = new Uint8Array(decoder.kvBytesPerPosition);
      const [one, another] = [decoder.reserveBlocks(1, 1).block(0), decoder.reserveBlocks(1, 1).block(0)];
      for (const targets of [[target], [one, another]]) {
        const exports = targets.map((to, i) => ({ from: i, to: i + 1, target: to }));
        expect(() => sequence.exportCache(0, exports)).toThrow(RangeError);
        expect(() => sequence.importCache([targets])).toThrow(RangeError);
      }
      expect(sequence.length).toBe(2);
      sequence.close();
      decoder.close();
    },
    stallTimeoutMs,
  );

  it(
    'stops within a step when told to, and works on',
    async () => {
      const decoder = await open(models.get('primitive')!, 'webgpu');
      const sequence = decoder.open({ batch: 1, capacity: 8 });
      requestTermination(decoder.terminationHandle!);
      await expect(sequence.step(BigInt64Array.of(1n, 2n))).rejects.toMatchObject({ code: 'terminated' });
      expect(sequence.length).toBe(0);
      const { data } = await sequence.step(BigInt64Array.of(1n, 2n));
      expect(data.every(Number.isFinite)).toBe(true);
      sequence.close();
      decoder.close();
    },
    stallTimeoutMs,
  );

  it(
    'runs every matrix product of the primitive graph on the GPU, with the CPU’s logits at any length',
    async () => {
      const model = models.get('primitive')!;
      const { parity, placement } = await checkOnDevice(
        model,
        { device: 'webgpu', prefixCache: true },
        await cpuReference(model, { prefixCache: true }),
      );
      expect(parity).toMatchObject({ passed: true, graphVariant: 'primitive' });
      // 4 layers of 7 products with weights and 2 without, and the head.
      expect(placement.device).toBeGreaterThanOrEqual(4 * 9 + 1);
      expect(Object.keys(placement.cpuOps)).toEqual(
        expect.not.arrayContaining(['MatMul', 'Gemm', 'Softmax']),
      );
    },
    stallTimeoutMs,
  );

  it.each(['contrib', 'primitive'] as const)(
    'computes the logits that are asked for only, %s graph, and cuts positions on the GPU',
    async (graphVariant) => {
      const model = await tiny(graphVariant, 'on-demand');
      const gpu = await open(model, 'webgpu');
      const cpu = await open(models.get(graphVariant)!, 'cpu');
      const [expected, found] = [await exercise(cpu, 1), await exercise(gpu, 1)];
      for (const [i, logits] of expected.entries())
        for (const [j, value] of logits.entries()) expect(found[i]![j]).toBeCloseTo(value, 3);
      cpu.close();
      gpu.close();
      const { placement } = await checkOnDevice(model, { device: 'webgpu', prefixCache: false }, null);
      expect(Object.keys(placement.cpuOps)).toEqual(expect.not.arrayContaining(['Slice', 'MatMul', 'Gemm']));
    },
    stallTimeoutMs,
  );

  it('is refused to the Node binding', async () => {
    const opening = openDecoder(models.get('primitive')!, { threads: 1, backend: 'node', device: 'webgpu' });
    await expect(opening).rejects.toMatchObject({ code: 'device-needs-native' });
  });
});
