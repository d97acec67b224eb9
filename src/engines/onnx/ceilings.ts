import { freemem, totalmem } from 'node:os';
import { TokenworkError } from '../../core/errors.js';
import type { Ceilings } from '../../core/result.js';
import type { Dtype } from '../../models/dtype.js';
import { bestSeconds } from '../best-seconds.js';
import { ortApi } from './native/api.js';
import { BoundRun } from './native/bound-run.js';
import { Memory } from './native/memory.js';
import { type ProductShape, productOfInputs, productWithWeights } from './product-graph.js';

const gemmShape: ProductShape = { rows: 512, inner: 2048, columns: 2048 };
const gemmSeconds = 0.3;

/** Larger than any cache there is, where memory allows. */
const streamedBytes = 2 ** 30;
/** Below this the buffer may lie in a cache, and the figure would not be the memory's. */
const leastStreamedBytes = 2 ** 28;
const streamRows = 4096;
const streamSeconds = 0.8;

/**
 * The machine's ceilings, reached by ONNX Runtime itself with `threads` intra-op threads: the rate of a
 * large matrix product in each of `dtypes`, and the bandwidth of streaming through more memory than
 * caches hold. Each is the best of repeats within a fixed time, since what disturbs a run only ever
 * slows it. Blocks the calling thread for a second or two.
 *
 * `memoryBandwidth` is `null` where there is too little memory to stream through, and a dtype that ONNX
 * Runtime does not run here is left out of `gemm`; where the native back end does not load, both are.
 */
export async function measureCeilings(options: {
  threads: number;
  dtypes: readonly Dtype[];
}): Promise<Ceilings> {
  const { threads, dtypes } = options;
  if (!nativeLoads()) return { memoryBandwidth: null, gemm: {}, threads };
  const memoryBandwidth = await measureBandwidth(threads);
  const gemm: Ceilings['gemm'] = {};
  for (const dtype of new Set(dtypes)) {
    const rate = await measureGemm(dtype, threads);
    if (rate !== null) gemm[dtype] = rate;
  }
  return { memoryBandwidth, gemm, threads };
}

/** The Node binding copies its outputs, which would be in the figures: better none than those. */
function nativeLoads(): boolean {
  try {
    ortApi();
    return true;
  } catch (error) {
    if (error instanceof TokenworkError && error.code === 'native-unavailable') return false;
    throw error;
  }
}

/**
 * A vector times a matrix reads each element of the matrix once and computes next to nothing, in the
 * very kernel that decoding spends its time in. It streams faster here than memchr or a reduction does.
 */
async function measureBandwidth(threads: number): Promise<Ceilings['memoryBandwidth']> {
  const budget = Math.min(streamedBytes, totalmem() / 8, freemem() / 2);
  if (budget < leastStreamedBytes) return null;
  const columns = Math.floor(budget / 4 / streamRows);
  const bytes = streamRows * columns * 4;
  const matrix = new Memory(bytes);
  // Pages never written all map to one page of zeros, which any cache holds.
  matrix.bytes(0, bytes).fill(1);
  const vector = new Memory(streamRows * 4);
  const product = new Memory(columns * 4);
  const run = new BoundRun(
    productOfInputs({ rows: 1, inner: streamRows, columns }),
    { threads },
    [
      { name: 'x', dtype: 'fp32', shape: [1, streamRows], memory: vector },
      { name: 'w', dtype: 'fp32', shape: [streamRows, columns], memory: matrix },
    ],
    [{ name: 'y', dtype: 'fp32', shape: [1, columns], memory: product }],
  );
  try {
    const { seconds, repeats } = await bestSeconds(() => run.run(), streamSeconds);
    const size = `${(bytes / 2 ** 30).toFixed(2)} GiB`;
    return {
      value: bytes / seconds,
      unit: 'B/s',
      method: `vector · matrix of ${size} fp32 in ONNX Runtime, ${threads} threads, best of ${repeats}`,
    };
  } finally {
    run.close();
    for (const memory of [matrix, vector, product]) memory.release();
  }
}

async function measureGemm(dtype: Dtype, threads: number): Promise<Ceilings['gemm'][string] | null> {
  const { rows, inner, columns } = gemmShape;
  const activations = dtype === 'fp16' ? 'fp16' : 'fp32';
  const bytes = activations === 'fp16' ? 2 : 4;
  const [x, y] = [new Memory(rows * inner * bytes), new Memory(rows * columns * bytes)];
  x.bytes(0, rows * inner * bytes).set(onesOf(activations, rows * inner));
  try {
    const run = new BoundRun(
      productWithWeights(dtype, gemmShape),
      { threads },
      [{ name: 'x', dtype: activations, shape: [rows, inner], memory: x }],
      [{ name: 'y', dtype: activations, shape: [rows, columns], memory: y }],
    );
    try {
      const { seconds, repeats } = await bestSeconds(() => run.run(), gemmSeconds);
      const op = dtype === 'q4' || dtype === 'int8' ? 'MatMulNBits' : 'MatMul';
      return {
        value: (2 * rows * inner * columns) / seconds,
        unit: 'FLOP/s',
        method: `${op} ${rows}×${inner}×${columns} with ${dtype} weights in ONNX Runtime, ${threads} threads, best of ${repeats}`,
      };
    } finally {
      run.close();
    }
  } catch (error) {
    if (error instanceof TokenworkError && error.code === 'model-unsupported') return null;
    throw error;
  } finally {
    x.release();
    y.release();
  }
}

function onesOf(dtype: 'fp32' | 'fp16', elements: number): Uint8Array {
  return dtype === 'fp32'
    ? new Uint8Array(new Float32Array(elements).fill(1).buffer)
    : new Uint8Array(new Uint16Array(elements).fill(0x3c00).buffer);
}
