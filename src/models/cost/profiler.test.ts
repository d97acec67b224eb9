/** Shapes and multiply-adds that ONNX Runtime's profiler records on real runs, against those counted. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StepShape } from '../../core/cost.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { buildGraph } from '../build/build-graph.js';
import { graphVariants } from '../build/graph-variant.js';
import { type DecoderGraph, describeDecoder } from '../decoder-graph.js';
import { encodeModel, type ModelProto } from '../onnx/proto.js';
import { readModel } from '../onnx/read-model.js';
import { loadRecipe } from '../recipe.js';
import { countPrepared } from './count-graph.js';
import { countDecoder } from './derive-cost.js';
import { tensor } from './op-rule.js';
import { prepareModel } from './prepare.js';

type Shape = number[];
interface RecordedNode {
  op: string;
  inputs: Shape[];
  outputs: Shape[];
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenwork-profiler-'));
});
afterAll(() => rm(folder, { recursive: true }));

function feedsOf(decoder: DecoderGraph, { batch, newTokens, pastTokens }: StepShape): Record<string, Tensor> {
  const integers = (shape: Shape, value: (index: number) => number) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return new Tensor(
      'int64',
      BigInt64Array.from({ length: size }, (_, index) => BigInt(value(index))),
      shape,
    );
  };
  const feeds: Record<string, Tensor> = {
    [decoder.inputIds.name]: integers([batch, newTokens], (at) => 3 + (at % 200)),
  };
  if (decoder.attentionMask) {
    feeds[decoder.attentionMask.name] = integers([batch, pastTokens + newTokens], () => 1);
  }
  if (decoder.positionIds) {
    feeds[decoder.positionIds.name] = integers([batch, newTokens], (at) => pastTokens + (at % newTokens));
  }
  for (const { pastKey, pastValue, heads, headDim } of decoder.layers) {
    const shape = [batch, heads, pastTokens, headDim];
    for (const name of [pastKey, pastValue]) {
      feeds[name] = new Tensor(
        'float32',
        new Float32Array(batch * heads * pastTokens * headDim).fill(0.1),
        shape,
      );
    }
  }
  return feeds;
}

/** Runs the graph as written, without the optimiser, and reads what the profiler saw of each node. */
async function record(model: ModelProto, feeds: Record<string, Tensor>): Promise<RecordedNode[]> {
  const prefix = `run-${Math.random().toString(36).slice(2)}`;
  const session = await InferenceSession.create(encodeModel(model), {
    graphOptimizationLevel: 'disabled',
    enableProfiling: true,
    profileFilePrefix: join(folder, prefix),
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  await session.run(feeds);
  session.endProfiling();
  await session.release();
  const file = (await readdir(folder)).find((name) => name.startsWith(prefix));
  const events = JSON.parse(await readFile(join(folder, file!), 'utf8')) as {
    cat: string;
    name: string;
    args: {
      op_name?: string;
      input_type_shape?: Record<string, Shape>[];
      output_type_shape?: Record<string, Shape>[];
    };
  }[];
  const shapes = (list: Record<string, Shape>[] = []) => list.map((entry) => Object.values(entry)[0]!);
  return events
    .filter(
      ({ cat, name, args }) => cat === 'Node' && name.endsWith('_kernel_time') && args.output_type_shape,
    )
    .map(({ args }) => ({
      op: args.op_name!,
      inputs: shapes(args.input_type_shape),
      outputs: shapes(args.output_type_shape),
    }));
}

const size = (shape: Shape) => shape.reduce((a, b) => a * b, 1);

/** Multiply-adds from recorded shapes alone, by each operator's definition. */
function recordedMacs(nodes: RecordedNode[], heads: number, headDim: number): number {
  return nodes.reduce((sum, { op, inputs, outputs }) => {
    const [first, second] = inputs as [Shape, Shape];
    const output = outputs[0]!;
    if (op === 'MatMul' || op === 'MatMulInteger') return sum + size(output) * first.at(-1)!;
    if (op === 'Gemm' || op === 'MatMulNBits') return sum + size(output) * first.at(-1)!;
    if (op === 'GroupQueryAttention' || op === 'Attention') {
      const [batch, queries] = first as [number, number];
      const keys = outputs[1]![2]!;
      return sum + 2 * batch * heads * queries * keys * headDim;
    }
    if (op === 'Conv' || op === 'Einsum' || op === 'FusedMatMul')
      throw new Error(`unexpected ${op} of ${second}`);
    return sum;
  }, 0);
}

/** Output shapes by operator, in an order that does not depend on the order of execution. */
function byOperator(nodes: { op: string; outputs: (readonly number[])[] }[]): Record<string, string[]> {
  const grouped: Record<string, string[]> = {};
  for (const { op, outputs } of nodes) {
    grouped[op] ??= [];
    grouped[op].push(outputs.map((shape) => `[${shape}]`).join(' '));
  }
  for (const list of Object.values(grouped)) list.sort();
  // Whatever its options, ONNX Runtime gives each reader of a dequantised tensor a DequantizeLinear of its own.
  const dequantised = grouped.DequantizeLinear;
  return dequantised ? { ...grouped, DequantizeLinear: [...new Set(dequantised)] } : grouped;
}

function inferred(model: ModelProto, feeds: Record<string, Tensor>) {
  const inputs = new Map(
    Object.entries(feeds).map(([name, { dims, type }]) => [name, tensor(type === 'int64' ? 7 : 1, dims)]),
  );
  const { scope } = countPrepared(prepareModel(model, { causal: true, passes: 1 }), inputs);
  return (model.graph.node ?? []).map(({ opType, output }) => ({
    op: opType,
    outputs: (output ?? []).filter(Boolean).map((name) => scope.get(name)!.shape),
  }));
}

const steps: StepShape[] = [
  { batch: 1, newTokens: 1, pastTokens: 0 },
  { batch: 1, newTokens: 1, pastTokens: 17 },
  { batch: 1, newTokens: 24, pastTokens: 0 },
  { batch: 3, newTokens: 5, pastTokens: 9 },
  { batch: 2, newTokens: 33, pastTokens: 4 },
];

/** GroupQueryAttention takes several new positions behind a past for one row only. */
const builtSteps: StepShape[] = [
  { batch: 1, newTokens: 5, pastTokens: 9 },
  { batch: 3, newTokens: 1, pastTokens: 9 },
  { batch: 3, newTokens: 24, pastTokens: 0 },
];

async function agree(model: ModelProto, step: StepShape): Promise<void> {
  const decoder = describeDecoder(model);
  const feeds = feedsOf(decoder, step);
  const recorded = await record(model, feeds);
  expect(byOperator(inferred(model, feeds))).toEqual(byOperator(recorded));
  const { tally } = countDecoder(model, decoder, step);
  const query = (model.graph.node ?? []).find(({ opType }) => /Attention$/.test(opType));
  const attribute = (name: string) => query?.attribute?.find((given) => given.name === name)?.i;
  const heads = attribute('num_heads') ?? attribute('q_num_heads') ?? 0;
  expect(tally.flops.matmul).toBe(2 * recordedMacs(recorded, heads, decoder.layers[0]!.headDim));
}

const stories = `${sharedPath('models/stories260K/onnx')}/`;
describe.skipIf(lacksShared)('stories260K', () => {
  const files = ['model.onnx', 'model_quantized.onnx'];
  test.each(files.flatMap((file) => steps.map((step) => ({ file, ...step }))))(
    '$file at batch $batch, $newTokens new and $pastTokens past',
    async ({ file, ...step }) => agree(await readModel(stories + file), step),
  );
});

test.each(
  graphVariants.flatMap((graphVariant) =>
    (['fp32', 'q4'] as const).map((dtype) => ({ graphVariant, dtype })),
  ),
)('a built model runs with the shapes it is counted by ($graphVariant, $dtype)', async (of) => {
  const built = buildGraph(await loadRecipe('tiny'), { ...of, seed: 1 });
  for (const step of builtSteps) await agree(built, step);
});

test('a built GPT-2 too', async () => {
  const gpt2 = await loadRecipe('gpt2-124m');
  const shape = {
    layers: 2,
    hiddenSize: 64,
    heads: 4,
    kvHeads: 4,
    headDim: 16,
    intermediateSize: 256,
    vocabulary: 300,
  };
  const small = { ...gpt2, ...shape, contextLength: 64, bosTokenId: 0, eosTokenIds: [0] };
  for (const graphVariant of graphVariants)
    await agree(buildGraph(small, { dtype: 'fp32', graphVariant, seed: 1 }), builtSteps[0]!);
});
