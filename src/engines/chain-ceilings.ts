import { setImmediate } from 'node:timers/promises';
import { TokenworkError } from '../core/errors.js';
import type { Ceilings } from '../core/result.js';
import { secondsOf } from './best-seconds.js';

/** Computing in which sending a run's commands and waiting for its end should be lost. */
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

/** Work of a GPU in links, each on the result of the last. */
export interface Chain {
  /** Returns when the GPU has finished, with little or nothing read back. */
  run(): void;
  close(): void;
}

/** Opens a chain of so many links; throws TokenworkError where the GPU has no kernel or no memory for it. */
type ChainOf = (links: number) => Chain;

/** The chains of an engine on a GPU. */
export interface Chains {
  /** As methods name it: `ONNX Runtime on webgpu`. */
  where: string;
  /** Whether the GPU may have the memory for products of a size. */
  fits(type: string, size: number): boolean;
  /** Products of [rows, size] with square weights. */
  products(type: string, rows: number, size: number): ChainOf;
  streams: readonly Stream[];
}

/** A way to stream through the GPU's memory. */
interface Stream {
  what: string;
  /** Type of the matrix's elements, and bytes of each. */
  type: string;
  elementBytes: number;
  /** How many matrices of the size each link reads and writes. */
  matrices: number;
  chainOf(size: number): ChainOf;
}

/**
 * The ceilings of a GPU: in each of `types` the rate of a large matrix product, and the bandwidth of streaming
 * through matrices larger than the caches, in the way that is fastest. Sizes grow until a run is long enough. Blocks
 * the calling thread for some seconds; a type that does not run is left out.
 */
export async function measureChains(
  types: readonly string[],
  chains: Chains,
): Promise<Pick<Ceilings, 'memoryBandwidth' | 'gemm'>> {
  const gemm: Ceilings['gemm'] = {};
  for (const type of new Set(types)) {
    const sizes = gemmSizes.filter((size) => chains.fits(type, size));
    const tried = await grow(sizes, (size) => chains.products(type, size, size));
    const [best] = tried.toSorted((a, b) => rateOf(b) - rateOf(a));
    if (best === undefined) continue;
    const { size, links } = best;
    gemm[type] = {
      value: rateOf(best),
      unit: 'FLOP/s',
      method: `${links} products ${size}×${size}×${size} with ${type} weights in ${chains.where}`,
    };
  }
  const bandwidths: NonNullable<Ceilings['memoryBandwidth']>[] = [];
  for (const { what, type, elementBytes, matrices, chainOf } of chains.streams) {
    const sizes = streamSizes.filter((size) => chains.fits(type, size));
    // The largest counts, not the fastest: a smaller one may lie in a cache.
    const largest = (await grow(sizes, chainOf)).at(-1);
    if (largest === undefined) continue;
    const bytes = largest.size ** 2 * elementBytes;
    bandwidths.push({
      value: (bytes * matrices * largest.links) / largest.seconds,
      unit: 'B/s',
      method: `${largest.links} ${what} of ${Math.round(bytes / 2 ** 20)} MiB ${type} in ${chains.where}`,
    });
  }
  const [memoryBandwidth = null] = bandwidths.toSorted((one, other) => other.value - one.value);
  return { gemm, memoryBandwidth };
}

const rateOf = ({ size, links, seconds }: Best): number => (2 * size ** 3 * links) / seconds;

interface Best {
  size: number;
  links: number;
  seconds: number;
}

/** Times sizes one after another, each with as many links as make a run long enough; empty where none runs. */
async function grow(sizes: readonly number[], open: (size: number) => ChainOf): Promise<Best[]> {
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

async function timed(chainOf: ChainOf, links: number): Promise<number | null> {
  try {
    const chain = chainOf(links);
    try {
      chain.run(); // Compiles its shaders.
      let best = Number.POSITIVE_INFINITY;
      let spent = 0;
      for (let repeat = 0; repeat < mostRepeats && spent < mostRepeatSeconds; repeat++) {
        // Timers and progress of the calling thread get their turn in between.
        await setImmediate();
        const seconds = secondsOf(() => chain.run());
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
