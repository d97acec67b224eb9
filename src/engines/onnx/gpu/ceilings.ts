import type { Ceilings } from '../../../core/result.js';
import type { Bytes } from '../../../core/units.js';
import type { Dtype } from '../../../models/dtype.js';
import { type Chain, measureChains } from '../../chain-ceilings.js';
import type { OnnxDevice } from '../../engine.js';
import { BoundRun } from '../native/bound-run.js';
import { Memory } from '../native/memory.js';
import { productChain, sumChain } from '../product-graph.js';

type Gpu = Exclude<OnnxDevice, 'cpu'>;

/**
 * The GPU's ceilings, reached by ONNX Runtime itself (`measureChains`). Products or sums follow one another in one
 * graph, and of the end result a few numbers are read back: so the clock stops when the GPU has finished, and the
 * bus is not in the figure.
 */
export async function measureDeviceCeilings(options: {
  device: Gpu;
  dtypes: readonly Dtype[];
  freeBytes: Bytes | null;
  largestBufferBytes: Bytes | null;
}): Promise<Pick<Ceilings, 'memoryBandwidth' | 'gemm'>> {
  const { device, dtypes } = options;
  const roomBytes = Math.min((options.freeBytes ?? 2 ** 30) / 4, options.largestBufferBytes ?? 2 ** 31);
  const streamed = dtypes.includes('fp16') ? 'fp16' : 'fp32';
  const elementBytes = elementBytesOf(streamed);
  return measureChains(dtypes, {
    where: `ONNX Runtime on ${device}`,
    fits: (dtype, size) => size ** 2 * elementBytesOf(dtype) <= roomBytes,
    products: (dtype, rows, size) => productsOf(device, dtype as Dtype, rows, size),
    // Which of the two streams faster is a matter of the provider's kernels.
    streams: [
      {
        what: 'products vector · matrix',
        ...{ type: streamed, elementBytes, matrices: 1 },
        chainOf: (size) => productsOf(device, streamed, 1, size),
      },
      {
        what: 'sums of matrices',
        ...{ type: streamed, elementBytes, matrices: 3 },
        chainOf: (size) => sumsOf(device, streamed, size),
      },
    ],
  });
}

/** Of activations; weights have no more. */
const elementBytesOf = (dtype: string) => (dtype === 'fp16' ? 2 : 4);

const productsOf =
  (device: Gpu, dtype: Dtype, rows: number, size: number) =>
  (links: number): Chain =>
    chain(device, dtype === 'fp16' ? 'fp16' : 'fp32', size, productChain(dtype, { rows, size, links }));

const sumsOf =
  (device: Gpu, dtype: 'fp32' | 'fp16', size: number) =>
  (links: number): Chain =>
    chain(device, dtype, size, sumChain(dtype, { size, links }));

function chain(device: Gpu, dtype: 'fp32' | 'fp16', size: number, model: Uint8Array): Chain {
  const bytes = size * elementBytesOf(dtype);
  const [x, y] = [new Memory(bytes), new Memory(bytes)];
  const one = dtype === 'fp16' ? new Uint16Array(size).fill(0x3c00) : new Float32Array(size).fill(1);
  x.bytes(0, bytes).set(new Uint8Array(one.buffer));
  const run = new BoundRun(
    model,
    { threads: 1, device },
    [{ name: 'x', dtype, shape: [1, size], memory: x }],
    [{ name: 'y', dtype, shape: [1, size], memory: y }],
  );
  return {
    run: () => run.run(),
    close() {
      run.close();
      x.release();
      y.release();
    },
  };
}
