import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildEncoder } from '../../../models/build/encoder/build.js';
import { type Dtype, onnxFileName } from '../../../models/dtype.js';
import { describeEncoder } from '../../../models/encoder/graph.js';
import { type EncoderHead, loadEncoderRecipe } from '../../../models/encoder/recipe.js';
import { decodeModel } from '../../../models/onnx/proto.js';
import type { Encoder, OnnxDevice } from '../../engine.js';
import type { EncoderModel } from '../onnx-encoder.js';
import { requestTermination } from '../open-decoder.js';
import { openEncoder } from '../open-encoder.js';
import { checkOnDevice, cpuReference } from './parity.js';
import { placementWarnings } from './placement.js';
import { probeDevice } from './probe.js';

// Where no Vulkan device opens these are skipped: eval "$(scripts/software-vulkan.sh)" sets one up.
const { error } = await probeDevice('webgpu');
const recipe = await loadEncoderRecipe('tiny-encoder');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-webgpu-encoder-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const stallTimeoutMs = 300_000;

async function tiny(
  dtype: Dtype,
  head: EncoderHead,
): Promise<EncoderModel & { dtype: string; graphVariant: string }> {
  const folder = await buildEncoder(recipe, { dtype, head, cacheDirectory: scratch });
  const onnxPath = join(folder, 'onnx', onnxFileName(dtype));
  const encoder = describeEncoder(decodeModel(readFileSync(onnxPath)));
  const { contextLength, vocabulary } = recipe;
  return { onnxPath, encoder, contextLength, vocabulary, dtype, graphVariant: 'encoder' };
}

const open = (model: EncoderModel, device: OnnxDevice) =>
  openEncoder(model, { threads: 1, backend: 'native', device });

const text = (length: number, salt: number) =>
  Array.from({ length }, (_, i) => 3 + (((i + salt + 1) * 131) % (recipe.vocabulary - 3)));
const texts = [text(9, 0), text(1, 50), text(40, 80)];
const heads: Record<EncoderHead['kind'], EncoderHead> = {
  embedding: { kind: 'embedding' },
  classification: { kind: 'classification', labels: 3 },
};

const read = (encoder: Encoder) =>
  encoder.head === 'embedding' ? encoder.embed(texts) : encoder.classify(texts);

describe.skipIf(error !== null)('an encoder on WebGPU', () => {
  it.each([
    ['fp32', 'embedding', 4],
    ['fp32', 'classification', 3],
    // Positions are in fp16 on the GPU, and averaged there in fp32.
    ['fp16', 'embedding', 2],
    ['q4', 'embedding', 2],
  ] as const)(
    'gives the CPU’s results, %s %s, of texts of several lengths',
    async (dtype, kind, digits) => {
      const model = await tiny(dtype, heads[kind]);
      const [cpu, gpu] = [await open(model, 'cpu'), await open(model, 'webgpu')];
      const [expected, found] = [await read(cpu), await read(gpu)];
      expect(found.length).toBe(expected.length);
      for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, digits);
      // Again, alone: by the sessions that are there.
      const alone = gpu.head === 'embedding' ? gpu.embed([texts[2]!]) : gpu.classify([texts[2]!]);
      for (const [i, value] of (await alone).entries())
        expect(value).toBeCloseTo(expected[2 * gpu.size + i]!, digits);
      expect([gpu.record.device, gpu.threadIds]).toEqual(['webgpu', null]);
      cpu.close();
      gpu.close();
    },
    stallTimeoutMs,
  );

  it(
    'is held against the CPU, and runs every matrix product on the GPU',
    async () => {
      for (const head of Object.values(heads)) {
        const model = await tiny('fp32', head);
        const { parity, placement } = await checkOnDevice(
          model,
          { device: 'webgpu', prefixCache: false },
          await cpuReference(model, { prefixCache: false }),
        );
        expect(parity).toMatchObject({ passed: true, graphVariant: 'encoder' });
        // 2 layers of 6 products with weights and 2 of attention.
        expect(placement.device).toBeGreaterThanOrEqual(2 * 8);
        expect(placementWarnings('tiny-encoder', placement)).toEqual([]);
      }
    },
    stallTimeoutMs,
  );

  it(
    'that computes something else does not pass',
    async () => {
      const model = await tiny('fp32', heads.embedding);
      const other = await buildEncoder(recipe, {
        dtype: 'fp32',
        head: heads.embedding,
        seed: 2,
        cacheDirectory: scratch,
      });
      const reference = await cpuReference(
        { ...model, onnxPath: join(other, 'onnx', onnxFileName('fp32')) },
        { prefixCache: false },
      );
      const { parity } = await checkOnDevice(model, { device: 'webgpu', prefixCache: false }, reference);
      expect(parity).toMatchObject({ passed: false, worst: expect.stringContaining('texts of') });
    },
    stallTimeoutMs,
  );

  it(
    'gives the same again, also after a termination that came too late',
    async () => {
      const encoder = await open(await tiny('fp32', heads.embedding), 'webgpu');
      const expected = await encoder.embed(texts);
      requestTermination(encoder.terminationHandle!);
      expect(await encoder.embed(texts)).toEqual(expected);
      encoder.close();
    },
    stallTimeoutMs,
  );
});
