import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../models/build/build-model.js';
import { describeDecoder } from '../../models/decoder-graph.js';
import { type Dtype, onnxFileName } from '../../models/dtype.js';
import { decodeModel, encodeModel, type ModelProto } from '../../models/onnx/proto.js';
import { loadRecipe } from '../../models/recipe.js';
import type { Sequence } from '../engine.js';
import { distinctExperts } from '../routing.js';
import { openDecoder } from './open-decoder.js';

const recipe = await loadRecipe('tiny-moe');
const { experts, expertsPerToken } = recipe.mixture!;
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-experts-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const backends = ['native', 'node'] as const;

async function build(dtype: Dtype): Promise<ModelProto> {
  const folder = await buildModel(recipe, { dtype, cacheDirectory: scratch });
  return decodeModel(readFileSync(join(folder, 'onnx', onnxFileName(dtype))));
}

async function withSequence<T>(
  model: ModelProto,
  backend: (typeof backends)[number],
  batch: number,
  use: (sequence: Sequence) => Promise<T>,
): Promise<T> {
  const onnxPath = join(scratch, 'model.onnx');
  writeFileSync(onnxPath, encodeModel(model));
  const decoder = await openDecoder(
    { onnxPath, decoder: describeDecoder(model), contextLength: 128 },
    { threads: 1, backend },
  );
  const sequence = decoder.open({ batch, capacity: 64 });
  try {
    return await use(sequence);
  } finally {
    sequence.close();
    decoder.close();
  }
}

const ids = (count: number, salt: number) =>
  BigInt64Array.from({ length: count }, (_, i) => BigInt(((i + salt + 1) * 131) % recipe.vocabulary));

/** The model with every expert that `spare` does not name computing nothing. */
async function crippled(spare: (layer: number, expert: number) => boolean): Promise<ModelProto> {
  const model = await build('fp32');
  for (const tensor of model.graph.initializer!) {
    const layer = /layers\.(\d+)\.mlp\.experts\.down_proj\.weight$/.exec(tensor.name!)?.[1];
    if (layer === undefined) continue;
    const bytes = Uint8Array.from(tensor.rawData!);
    const size = bytes.length / experts;
    for (let expert = 0; expert < experts; expert++)
      if (!spare(Number(layer), expert)) bytes.fill(0, expert * size, (expert + 1) * size);
    tensor.rawData = bytes;
  }
  return model;
}

describe.each(backends)('the experts a step touches (%s)', (backend) => {
  it('are those it computes with: without the others nothing changes, without them all does', async () => {
    const whole = await build('fp32');
    const [routed, expected] = await withSequence(whole, backend, 1, async (sequence) => {
      expect(sequence.routedExperts()).toBeNull();
      const { data } = await sequence.step(ids(2, 5), 'all');
      return [sequence.routedExperts()!, Float32Array.from(data)];
    });
    expect(routed).toHaveLength(recipe.layers);
    const logitsOf = (model: ModelProto) =>
      withSequence(model, backend, 1, async (sequence) =>
        Float32Array.from((await sequence.step(ids(2, 5), 'all')).data),
      );
    expect(await logitsOf(await crippled((layer, expert) => routed[layer]!.includes(expert)))).toEqual(
      expected,
    );
    for (const layer of [0, recipe.layers - 1])
      for (const lost of routed[layer]!)
        expect(await logitsOf(await crippled((at, expert) => at !== layer || expert !== lost))).not.toEqual(
          expected,
        );
  });

  it.each(['fp32', 'fp16', 'q4'] as const)('are as many as the router picks, in %s', async (dtype) => {
    await withSequence(await build(dtype), backend, 1, async (sequence) => {
      await sequence.step(ids(30, 0));
      for (const layer of sequence.routedExperts()!) {
        expect(layer.length).toBeGreaterThan(expertsPerToken);
        expect(layer.length).toBeLessThanOrEqual(experts);
      }
      for (let step = 0; step < 4; step++) {
        await sequence.step(ids(1, step));
        for (const layer of sequence.routedExperts()!) expect(layer).toHaveLength(expertsPerToken);
      }
      expect(distinctExperts(sequence.routedExperts())).toBe(expertsPerToken);
    });
  });

  it('are shared by equal rows and not by different ones', async () => {
    const model = await build('fp32');
    const touched = (rows: bigint[]) =>
      withSequence(model, backend, rows.length, async (sequence) => {
        await sequence.step(BigInt64Array.from(rows));
        return distinctExperts(sequence.routedExperts())!;
      });
    const equal = await touched(new Array<bigint>(8).fill(7n));
    const different = await touched([...ids(8, 3)]);
    expect(equal).toBe(expertsPerToken);
    expect(different).toBeGreaterThan(expertsPerToken);
  });

  it('are not known of a graph that shows no router', async () => {
    const model = await build('fp32');
    model.graph.output = model.graph.output!.filter(({ name }) => !name!.startsWith('router_logits'));
    await withSequence(model, backend, 1, async (sequence) => {
      await sequence.step(ids(2, 0));
      expect(sequence.routedExperts()).toBeNull();
    });
  });
});
