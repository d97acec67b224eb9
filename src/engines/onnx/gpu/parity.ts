import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { DeviceParity, Placement } from '../../../core/result.js';
import type { Decoder, Device, Encoder, Sequence } from '../../engine.js';
import { NativeDecoder } from '../native/decoder.js';
import { NativeEncoder } from '../native/encoder.js';
import type { NativeOptions } from '../native/open-session.js';
import type { EncoderModel } from '../onnx-encoder.js';
import type { DecoderModel } from '../open-decoder.js';
import { readPlacement } from './placement.js';

/** Kernels change with the length: prompts of 32 tokens and more take other ones. */
const promptLengths = [12, 48];
const decodeSteps = 4;
/** Positions of a cached block: whole blocks and a rest at every prompt length. */
const blockTokens = 8;
const mostThreads = 8;

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
type Steps = { what: string; logits: Float32Array }[];

/** Checks beside prefill and decode. */
export interface CheckedReads {
  /** Whether a decoder also goes on from blocks of positions that another sequence has computed. */
  prefixCache: boolean;
}

/** Outputs of a model on a GPU, beside those of the CPU. */
export interface DeviceCheck {
  parity: DeviceParity;
  placement: Placement;
}

/**
 * The CPU's logits, to hold GPUs against. Throws what opening and running the model throw, and the signal's
 * reason.
 */
export async function cpuReference(
  model: DecoderModel | EncoderModel,
  reads: CheckedReads,
  signal?: AbortSignal,
): Promise<Steps> {
  // Nothing is measured yet, and a model of billions of weights takes one thread minutes.
  const threads = Math.min(mostThreads, availableParallelism());
  const subject = open(model, reads, { threads, backendReason: 'reference' });
  try {
    return await subject.steps(signal);
  } finally {
    subject.close();
  }
}

/**
 * Runs the model on the device, compares its logits with the reference and sees where its nodes ran.
 * `reference` is null where there is none to be had. Throws what opening and running the model throw, and the
 * signal's reason.
 */
export async function checkOnDevice(
  model: (DecoderModel | EncoderModel) & { dtype: string; graphVariant: string },
  { device, ...reads }: CheckedReads & { device: Exclude<Device, 'cpu'> },
  reference: Steps | null,
  signal?: AbortSignal,
): Promise<DeviceCheck> {
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-profile-'));
  try {
    const subject = open(model, reads, {
      threads: 1,
      device,
      profilePrefix: join(folder, 'run'),
      backendReason: 'check',
    });
    let steps: Steps;
    try {
      steps = await subject.steps(signal);
      subject.endProfile();
    } finally {
      subject.close();
    }
    const [profile] = readdirSync(folder);
    return {
      parity: compareSteps(steps, reference, model),
      placement: readPlacement(join(folder, profile!)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Subject {
  steps(signal: AbortSignal | undefined): Promise<Steps>;
  endProfile(): void;
  close(): void;
}

function open(
  model: DecoderModel | EncoderModel,
  { prefixCache }: CheckedReads,
  options: NativeOptions,
): Subject {
  const subjectOf = <Engine extends NativeDecoder | NativeEncoder>(
    engine: Engine,
    run: (engine: Engine, signal: AbortSignal | undefined) => Promise<Steps>,
  ): Subject => ({
    steps: (signal) => run(engine, signal),
    endProfile: () => void engine.endProfile(),
    close: () => engine.close(),
  });
  return 'decoder' in model
    ? subjectOf(new NativeDecoder(model, options), (decoder, signal) =>
        runSteps(decoder, prefixCache, signal),
      )
    : subjectOf(new NativeEncoder(model, options), runPasses);
}

async function runPasses(encoder: Encoder, signal: AbortSignal | undefined): Promise<Steps> {
  const steps: Steps = [];
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

async function runSteps(
  decoder: Decoder,
  prefixCache: boolean,
  signal: AbortSignal | undefined,
): Promise<Steps> {
  const steps: Steps = [];
  const room = decoder.contextLength - decodeSteps;
  for (const length of new Set(promptLengths.map((tokens) => Math.min(tokens, room)))) {
    const shape = { batch: 1, capacity: length + decodeSteps };
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
      const blocks = Math.floor((length - 1) / blockTokens);
      if (prefixCache && blocks > 0) {
        const cached = decoder.open(shape);
        try {
          copyBlocks(decoder, sequence, cached, blocks);
          await step('rest after cached positions', length - cached.length, 'all', cached);
        } finally {
          cached.close();
        }
      }
      sequence.truncate(0);
      await step('last position', length, 'last');
    } finally {
      sequence.close();
    }
  }
  return steps;
}

/** Takes positions from one sequence to another as a prefix cache does. */
function copyBlocks(decoder: Decoder, source: Sequence, target: Sequence, count: number): void {
  const reserved = decoder.reserveBlocks(count, blockTokens);
  const blocks = Array.from({ length: count }, (_, index) => reserved.block(index));
  source.exportCache(
    0,
    blocks.map((block, i) => ({ from: i * blockTokens, to: (i + 1) * blockTokens, target: block })),
  );
  target.importCache([blocks]);
}

/** Compares step by step; the worst one decides. Logits that are no numbers are infinitely far. */
export function compareSteps(
  steps: Steps,
  reference: Steps | null,
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
