import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Dtype } from '../dtype.js';
import { encodeModel, type ModelProto } from '../onnx/proto.js';
import type { Recipe } from '../recipe.js';

type Cache = Record<string, Tensor>;

interface Step {
  /** Token ids by row. */
  ids: number[][];
  cache?: Cache | null;
  /** By row, over cached and new positions; all ones by default. */
  attentionMask?: number[][];
  positions?: number[][];
  /** Last positions to give logits of, where the graph asks; 0 for all. */
  keep?: number;
}

/**
 * Runs a built decoder on the CPU through the Node binding, with a KV cache of exact length unless the
 * cache given is longer than the attention mask says.
 */
export async function openForTest(model: ModelProto, recipe: Recipe, dtype: Dtype) {
  const session = await InferenceSession.create(encodeModel(model), {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  return async ({ ids, cache = null, attentionMask, positions, keep = 0 }: Step) => {
    const batch = ids.length;
    const capacity = cache ? cache['present.0.key']!.dims[2]! : 0;
    const past = attentionMask ? attentionMask[0]!.length - ids[0]!.length : capacity;
    const mask = attentionMask ?? ids.map(() => new Array<number>(past + ids[0]!.length).fill(1));
    const feeds: Cache = { input_ids: int64(ids), attention_mask: int64(mask) };
    if (session.inputNames.includes('position_ids')) {
      feeds.position_ids = int64(positions ?? ids.map((row) => row.map((_, index) => past + index)));
    }
    if (session.inputNames.includes('num_logits_to_keep')) {
      feeds.num_logits_to_keep = new Tensor('int64', BigInt64Array.of(BigInt(keep)), []);
    }
    for (let layer = 0; layer < recipe.layers; layer++) {
      for (const part of ['key', 'value']) {
        feeds[`past_key_values.${layer}.${part}`] =
          cache?.[`present.${layer}.${part}`] ??
          emptyCache([batch, recipe.kvHeads, 0, recipe.headDim], dtype);
      }
    }
    const outputs = await session.run(feeds);
    const logits = outputs.logits!.data as Float32Array;
    const row = (index: number) =>
      logits.subarray(index * recipe.vocabulary, (index + 1) * recipe.vocabulary);
    return { cache: outputs as Cache, dims: outputs.logits!.dims, row, last: row(ids[0]!.length - 1) };
  };
}

/** The cache with room for `capacity` positions, as a buffer that past and present share. */
export function widened(cache: Cache, capacity: number): Cache {
  const caches = Object.entries(cache).filter(([name]) => name.startsWith('present.'));
  return Object.fromEntries(
    caches.map(([name, { data, dims }]) => {
      const [batch, heads, past, headDim] = dims as [number, number, number, number];
      const wide = new Float32Array(batch * heads * capacity * headDim).fill(Number.NaN);
      for (let row = 0; row < batch * heads; row++) {
        const part = (data as Float32Array).subarray(row * past * headDim, (row + 1) * past * headDim);
        wide.set(part, row * capacity * headDim);
      }
      return [name, new Tensor('float32', wide, [batch, heads, capacity, headDim])];
    }),
  );
}

/** The largest difference between two rows of logits. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[index]!)), 0);
}

function int64(rows: number[][]): Tensor {
  return new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
}

function emptyCache(dims: number[], dtype: Dtype): Tensor {
  return dtype === 'fp16'
    ? new Tensor('float16', new Uint16Array(0), dims)
    : new Tensor('float32', new Float32Array(0), dims);
}
