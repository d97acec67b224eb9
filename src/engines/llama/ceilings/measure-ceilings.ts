/**
 * Measures the ceilings of a device through ggml, in a process of its own, and says them on stdout. Started by
 * `measureLlamaCeilings`.
 */
import { freemem, totalmem } from 'node:os';
import { text } from 'node:stream/consumers';
import { messageOf, TokenworkError } from '../../../core/errors.js';
import { log } from '../../../core/log.js';
import type { Ceilings } from '../../../core/result.js';
import type { Bytes } from '../../../core/units.js';
import { type BlockType, findBlockTypeNamed } from '../../../models/gguf/block-types.js';
import { bestSeconds } from '../../best-seconds.js';
import { measureChains } from '../../chain-ceilings.js';
import { keepNativeLog } from '../library.js';
import { answerMark, type CeilingsTask, type LlamaCeilings } from './ceilings.js';
import { type ComputeDevice, openComputeDevice } from './compute-device.js';
import { openCopies, openProducts, type WorkGraph } from './work-graph.js';

/** Rows of x: as many positions as llama.cpp computes of a prompt at once. */
const gemmRows = 512;
/** Columns and rows of the weights. Where others keep the cores busy, it is short products that nobody disturbs. */
const gemmSizes = [512, 1024, 2048];
const gemmSeconds = 0.3;
/** Larger than any cache there is, where memory allows. */
const streamedBytes = 2 ** 30;
/** Below this the weights may lie in a cache, and the figure would not be the memory's. */
const leastStreamedBytes = 2 ** 28;
const partBytes = 2 ** 26;
const partColumns = 4096;
const streamSeconds = 0.8;
/** Types of activations and of positions, which no product takes for its weights: asked to, ggml would end. */
const neverWeights = /^(?:Q8_1|Q8_K|I\d+|F64)$/;

keepNativeLog();
const answer = await measure(JSON.parse(await text(process.stdin))).catch((thrown) => ({
  error: messageOf(thrown),
}));
process.stdout.write(`\n${answerMark}${JSON.stringify(answer)}\n`);
// Not by returning: a driver's threads may keep the process.
process.exit(0);

async function measure({ device, types, threads, freeBytes }: CeilingsTask): Promise<LlamaCeilings> {
  const on = openComputeDevice(device, threads);
  const known = [...new Set(types)].flatMap((name) =>
    neverWeights.test(name) ? [] : (findBlockTypeNamed(name) ?? []),
  );
  if (device !== 'cpu') return measureGpu(on, known, { device, freeBytes });
  const gemm: Ceilings['gemm'] = {};
  const where = `ggml, ${threads} threads`;
  for (const type of known) {
    const rate = await measureGemm(on, type, where);
    if (rate !== null) gemm[type.name] = rate;
  }
  return { memoryBandwidth: await measureBandwidth(on, where), gemm };
}

async function measureGemm(
  on: ComputeDevice,
  type: BlockType,
  where: string,
): Promise<Ceilings['gemm'][string] | null> {
  let best: Ceilings['gemm'][string] | null = null;
  for (const size of gemmSizes) {
    const shape = { rows: gemmRows, inner: size, columns: size, links: 1 };
    const timed = await bestOf(() => openProducts(on, type, shape), gemmSeconds);
    if (timed === null) break;
    const value = (2 * gemmRows * size ** 2) / timed.seconds;
    if (value <= (best?.value ?? 0)) continue;
    best = {
      value,
      unit: 'FLOP/s',
      method: `MUL_MAT ${gemmRows}×${size}×${size} with ${type.name} weights in ${where}, best of ${timed.repeats}`,
    };
  }
  return best;
}

/**
 * A vector times a matrix reads each weight once, as decoding does. The memory is streamed through in parts, one
 * matrix after another, and the fastest counts: it is too short to be disturbed, and came back after all others.
 */
async function measureBandwidth(on: ComputeDevice, where: string): Promise<Ceilings['memoryBandwidth']> {
  const budget = Math.min(streamedBytes, totalmem() / 8, freemem() / 2);
  if (budget < leastStreamedBytes) return null;
  const parts = Math.floor(budget / partBytes);
  const shape = { rows: 1, inner: partColumns, columns: partBytes / 4 / partColumns, links: 1 };
  const timed = await bestOf(
    () => openInTurn(parts, () => openProducts(on, findBlockTypeNamed('F32'), shape)),
    streamSeconds,
  );
  if (timed === null) return null;
  return {
    value: partBytes / timed.seconds,
    unit: 'B/s',
    method: `vector · matrix of F32, ${partBytes / 2 ** 20} MiB of ${((parts * partBytes) / 2 ** 30).toFixed(2)} GiB at a time, in ${where}, best of ${timed.repeats}`,
  };
}

/** Graphs of which each run computes the next. */
function openInTurn(count: number, open: () => WorkGraph): Pick<WorkGraph, 'run' | 'close'> {
  const graphs: WorkGraph[] = [];
  const close = () => {
    for (const graph of graphs) graph.close();
  };
  try {
    while (graphs.length < count) graphs.push(open());
  } catch (thrown) {
    close();
    throw thrown;
  }
  let next = 0;
  return { run: () => graphs[next++ % count]!.run(), close };
}

/** Null where there is no kernel or no memory for it. */
async function bestOf(
  open: () => Pick<WorkGraph, 'run' | 'close'>,
  budgetSeconds: number,
): Promise<Awaited<ReturnType<typeof bestSeconds>> | null> {
  try {
    const graph = open();
    try {
      return await bestSeconds(() => graph.run(), budgetSeconds);
    } finally {
      graph.close();
    }
  } catch (thrown) {
    if (!(thrown instanceof TokenworkError)) throw thrown;
    log('%s', thrown.message);
    return null;
  }
}

async function measureGpu(
  on: ComputeDevice,
  types: readonly BlockType[],
  { device, freeBytes }: { device: string; freeBytes: Bytes | null },
): Promise<LlamaCeilings> {
  const free = Math.min(freeBytes ?? Number.POSITIVE_INFINITY, on.freeBytes ?? 2 ** 30);
  const products = (type: string, rows: number, size: number) => (links: number) =>
    openProducts(on, findBlockTypeNamed(type), { rows, inner: size, columns: size, links });
  return measureChains(
    types.map(({ name }) => name),
    {
      where: `ggml on ${device}`,
      // Weights, x, two results in turn, and what the back end converts them to: fp32 each at most.
      fits: (_, size) => 4 * size ** 2 <= Math.min(free / 6, on.largestBufferBytes),
      products,
      streams: [
        {
          what: 'products vector · matrix',
          ...{ type: 'F16', elementBytes: 2, matrices: 1 },
          chainOf: (size) => products('F16', 1, size),
        },
        {
          // Sums would be fused.
          what: 'copies of a matrix',
          ...{ type: 'F32', elementBytes: 4, matrices: 2 },
          chainOf: (size) => (links) => openCopies(on, { size, links }),
        },
      ],
    },
  );
}
