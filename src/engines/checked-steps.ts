import { setImmediate } from 'node:timers/promises';
import type { DeviceParity, Placement } from '../core/records/model.js';
import type { CachedPositions, Decoder, Encoder, Sequence } from './engine.js';

/** Kernels change with the length: prompts of 32 tokens and more take other ones. */
const promptLengths = [12, 48];
const decodeSteps = 4;
/** Positions of a cached block: whole blocks and a rest at every prompt length. */
const blockTokens = 8;
/**
 * How far a step's logits may be from the CPU's: root mean square of the difference ÷ that of the CPU's.
 * fp32 differs by the order of summation; fp16 by its 11 bits, layer after layer. Quantised products differ
 * because each side rounds the activations to int8 in its own way, or not at all.
 */
const tolerances: Record<string, number> = { fp32: 0.005, fp16: 0.05, int8: 0.05, q4: 0.05 };
const looseTolerance = 0.05;

/** Texts of one pass, by their lengths: alone as stages read them, and padded. */
const textLengths = [[12], [48], [9, 1, 23]];

/**
 * Of a decoder the logits of each step: a prefill of every prompt length, all positions; single steps after
 * it; the last position alone; the rest of a prompt whose beginning was cached. Of an encoder what each pass
 * gives.
 */
export type CheckedSteps = { what: string; logits: Float32Array }[];

/** Checks beside prefill and decode. */
export interface CheckedReads {
  /** Whether a decoder also goes on from blocks of positions that another sequence has computed. */
  prefixCache: boolean;
  /** Whether a decoder also drops its last positions, as draft and verify does. */
  takesBack?: boolean;
}

/** Outputs of a model on a GPU, beside those of the CPU. */
export interface DeviceCheck {
  parity: DeviceParity;
  /** Null where the engine puts all of a model where it is told. */
  placement: Placement | null;
  /** Layers on the GPU, where the engine counts those. */
  offloadedLayers?: { device: number; all: number };
}

/** Encodes texts alone and side by side. Throws what the encoder throws, and the signal's reason. */
export async function runPasses(encoder: Encoder, signal: AbortSignal | undefined): Promise<CheckedSteps> {
  const steps: CheckedSteps = [];
  for (const lengths of textLengths) {
    const rows = lengths.map((length) =>
      Array.from({ length: Math.min(length, encoder.contextLength) }, (_, i) => spread(i, encoder)),
    );
    await setImmediate();
    signal?.throwIfAborted();
    const logits = await (encoder.head === 'embedding' ? encoder.embed(rows) : encoder.classify(rows));
    steps.push({ what: `texts of ${lengths.join(', ')}`, logits });
  }
  return steps;
}

/** Ids spread over the vocabulary; which ones does not matter. */
const spread = (index: number, { vocabulary }: { vocabulary: number }): number =>
  ((index + 1) * 7919) % vocabulary;

/** Runs what a run would, in short. Throws what the decoder throws, and the signal's reason. */
export async function runSteps(
  decoder: Decoder,
  { prefixCache, takesBack = false }: CheckedReads,
  signal: AbortSignal | undefined,
): Promise<CheckedSteps> {
  const steps: CheckedSteps = [];
  const room = decoder.contextLength - decodeSteps;
  for (const length of new Set(promptLengths.map((tokens) => Math.min(tokens, room)))) {
    const blocks = prefixCache ? Math.floor((length - 1) / blockTokens) : 0;
    const reserved = blocks > 0 ? reserve(decoder, blocks) : [];
    const shape = { batch: 1, capacity: length + decodeSteps, prefixCache: blocks > 0 };
    const sequence = decoder.open(shape);
    const step = async (what: string, count: number, keep: 'last' | 'all', on = sequence) => {
      // Of a large model each takes seconds: Ctrl-C and progress get their turn in between.
      await setImmediate();
      signal?.throwIfAborted();
      const ids = BigInt64Array.from({ length: count }, (_, i) => BigInt(spread(on.length + i, decoder)));
      const { data } = await on.step(ids, keep);
      steps.push({ what: `${what} of ${length}`, logits: Float32Array.from(data) });
    };
    try {
      await step('prefill', length, 'all');
      for (let i = 0; i < decodeSteps; i++) await step('decoding after', 1, 'last');
      if (blocks > 0) {
        const cached = decoder.open(shape);
        try {
          throughBlocks(reserved, sequence, cached);
          await step('rest after cached positions', length - cached.length, 'all', cached);
        } finally {
          cached.close();
        }
      }
      if (takesBack) sequence.truncate(sequence.length - 1);
      sequence.truncate(0);
      await step('last position', length, 'last');
    } finally {
      sequence.close();
    }
  }
  return steps;
}

function reserve(decoder: Decoder, count: number): CachedPositions[] {
  const reserved = decoder.reserveBlocks(count, blockTokens);
  return Array.from({ length: count }, (_, index) => reserved.block(index));
}

/** Takes positions from one sequence to another as a prefix cache does. */
function throughBlocks(blocks: readonly CachedPositions[], source: Sequence, target: Sequence): void {
  source.exportCache(
    0,
    blocks.map((block, i) => ({ from: i * blockTokens, to: (i + 1) * blockTokens, target: block })),
  );
  target.importCache([blocks]);
}

/** Compares step by step; the worst one decides. Logits that are no numbers are infinitely far. */
export function compareSteps(
  steps: CheckedSteps,
  reference: CheckedSteps | null,
  { dtype, graphVariant }: { dtype: string; graphVariant: string },
): DeviceParity {
  const tolerance = tolerances[dtype] ?? looseTolerance;
  if (reference === null) return { graphVariant, tolerance, difference: null, worst: null, passed: null };
  let difference = 0;
  let worst = steps[0]!.what;
  for (const [i, { what, logits }] of steps.entries()) {
    const apart = relativeRms(logits, reference[i]!.logits);
    if (apart <= difference) continue;
    difference = apart;
    worst = what;
  }
  return {
    graphVariant,
    tolerance,
    difference: Number.isFinite(difference) ? difference : null,
    worst,
    passed: difference <= tolerance,
  };
}

function relativeRms(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let apart = 0;
  let size = 0;
  for (let i = 0; i < found.length; i++) {
    apart += (found[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  const ratio = Math.sqrt(apart / size);
  return Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio;
}
