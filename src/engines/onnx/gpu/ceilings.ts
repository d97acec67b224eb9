import { setImmediate } from 'node:timers/promises';
import { TokenworkError } from '../../../core/errors.js';
import type { Ceilings } from '../../../core/result.js';
import type { Bytes } from '../../../core/units.js';
import type { Dtype } from '../../../models/dtype.js';
import type { OnnxDevice } from '../../engine.js';
import { BoundRun } from '../native/bound-run.js';
import { Memory } from '../native/memory.js';
import { productChain, sumChain } from '../product-graph.js';

type Gpu = Exclude<OnnxDevice, 'cpu'>;

/** Computing in which sending a run's commands and reading its answer back should be lost. */
const enoughSeconds = 0.25;
const mostSeconds = 2;
/** Rows and columns of the square weights, smallest first; a GPU is only busy with large ones. */
const gemmSizes = [256, 512, 1024, 2048, 4096, 8192];
/** The weights streamed through must be larger than any cache: an H100 has 50 MB. */
const streamSizes = [1024, 2048, 4096, 8192, 11_264];
const fewestLinks = 4;
const mostLinks = 256;
/** Repeats end sooner where they take longer than that together. */
const mostRepeats = 3;
const mostRepeatSeconds = 1;

/**
 * The GPU's ceilings, reached by ONNX Runtime itself: in each of `dtypes` the rate of a large matrix product,
 * and the bandwidth of streaming through matrices larger than the caches, by products with a vector or by
 * sums, whichever is faster. They follow one another in one graph, each on the result of the last, and of the
 * end result a few numbers are read back: so the clock stops when the GPU has finished, and the bus is not in
 * the figure. Sizes grow until a run is long enough. Blocks the calling thread for some seconds; a dtype that
 * does not run is left out.
 */
export async function measureDeviceCeilings(options: {
  device: Gpu;
  dtypes: readonly Dtype[];
  freeBytes: Bytes | null;
  largestBufferBytes: Bytes | null;
}): Promise<Pick<Ceilings, 'memoryBandwidth' | 'gemm'>> {
  const { device, dtypes } = options;
  const roomBytes = Math.min((options.freeBytes ?? 2 ** 30) / 4, options.largestBufferBytes ?? 2 ** 31);
  const gemm: Ceilings['gemm'] = {};
  for (const dtype of new Set(dtypes)) {
    const tried = await grow(gemmSizes.filter(fits(dtype, roomBytes)), (size) =>
      productsOf(device, dtype, size, size),
    );
    const [best] = tried.toSorted((a, b) => rateOf(b) - rateOf(a));
    if (best === undefined) continue;
    const { size, links } = best;
    gemm[dtype] = {
      value: rateOf(best),
      unit: 'FLOP/s',
      method: `${links} products ${size}×${size}×${size} with ${dtype} weights in ONNX Runtime on ${device}`,
    };
  }
  const streamed = dtypes.includes('fp16') ? 'fp16' : 'fp32';
  const fitting = streamSizes.filter(fits(streamed, roomBytes));
  // Which of the two streams faster is a matter of the provider's kernels. Of each the largest counts, not the
  // fastest: a smaller one may lie in a cache.
  const products = (await grow(fitting, (size) => productsOf(device, streamed, 1, size))).at(-1);
  const sums = (await grow(fitting, (size) => sumsOf(device, streamed, size))).at(-1);
  const candidates = [
    ...(products
      ? [bandwidth(products, streamed, device, { what: 'products vector · matrix', matrices: 1 })]
      : []),
    ...(sums ? [bandwidth(sums, streamed, device, { what: 'sums of matrices', matrices: 3 })] : []),
  ];
  const [memoryBandwidth = null] = candidates.toSorted((one, other) => other.value - one.value);
  return { gemm, memoryBandwidth };
}

const rateOf = ({ size, links, seconds }: Best): number => (2 * size ** 3 * links) / seconds;

/** `matrices`: how many of the size each link reads and writes. */
function bandwidth(
  { size, links, seconds }: Best,
  dtype: Dtype,
  device: Gpu,
  { what, matrices }: { what: string; matrices: number },
): NonNullable<Ceilings['memoryBandwidth']> {
  const bytes = size ** 2 * (dtype === 'fp16' ? 2 : 4);
  return {
    value: (bytes * matrices * links) / seconds,
    unit: 'B/s',
    method: `${links} ${what} of ${Math.round(bytes / 2 ** 20)} MiB ${dtype} in ONNX Runtime on ${device}`,
  };
}

const fits = (dtype: Dtype, roomBytes: Bytes) => (size: number) =>
  size ** 2 * (dtype === 'fp16' ? 2 : 4) <= roomBytes;

/** Runs a chain of `links` products once and gives the seconds it took. */
interface Chain {
  run(): number;
  close(): void;
}

interface Best {
  size: number;
  links: number;
  seconds: number;
}

/** Times sizes one after another, each with as many links as make a run long enough; empty where none runs. */
async function grow(
  sizes: readonly number[],
  open: (size: number) => (links: number) => Chain,
): Promise<Best[]> {
  const tried: Best[] = [];
  for (const size of sizes) {
    const chainOf = open(size);
    let links = fewestLinks;
    let seconds = await timed(chainOf, links);
    if (seconds === null) break;
    while (seconds < enoughSeconds && links < mostLinks) {
      const more = Math.min(mostLinks, links * Math.max(2, Math.ceil(enoughSeconds / seconds)));
      const longer = await timed(chainOf, more);
      if (longer === null) break;
      [links, seconds] = [more, longer];
    }
    tried.push({ size, links, seconds });
    // A product of the next size takes up to eight times as long.
    if ((8 * fewestLinks * seconds) / links > mostSeconds) break;
  }
  return tried;
}

async function timed(chainOf: (links: number) => Chain, links: number): Promise<number | null> {
  try {
    const chain = chainOf(links);
    try {
      chain.run(); // Compiles its shaders.
      let best = Number.POSITIVE_INFINITY;
      let spent = 0;
      for (let repeat = 0; repeat < mostRepeats && spent < mostRepeatSeconds; repeat++) {
        // Timers and progress of the calling thread get their turn in between.
        await setImmediate();
        const seconds = chain.run();
        best = Math.min(best, seconds);
        spent += seconds;
      }
      return best;
    } finally {
      chain.close();
    }
  } catch (error) {
    if (error instanceof TokenworkError) return null;
    throw error;
  }
}

const productsOf =
  (device: Gpu, dtype: Dtype, rows: number, size: number) =>
  (links: number): Chain =>
    chain(device, dtype === 'fp16' ? 'fp16' : 'fp32', size, productChain(dtype, { rows, size, links }));

const sumsOf =
  (device: Gpu, dtype: 'fp32' | 'fp16', size: number) =>
  (links: number): Chain =>
    chain(device, dtype, size, sumChain(dtype, { size, links }));

function chain(device: Gpu, dtype: 'fp32' | 'fp16', size: number, model: Uint8Array): Chain {
  const bytes = size * (dtype === 'fp16' ? 2 : 4);
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
    run() {
      const startNs = process.hrtime.bigint();
      run.run();
      return Number(process.hrtime.bigint() - startNs) / 1e9;
    },
    close() {
      run.close();
      x.release();
      y.release();
    },
  };
}
