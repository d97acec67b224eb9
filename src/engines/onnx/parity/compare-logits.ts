import type { Warning } from '../../../core/codes.js';
import type { Decoder, OnnxOptions } from '../../engine.js';
import { type DecoderModel, openDecoder } from '../open-decoder.js';

/** The distance between the two back ends' logits on the same tokens. */
export interface Parity {
  identical: boolean;
  /** Largest absolute difference of two logits; infinite where only one of them is a number. */
  maxAbsDifference: number;
  /** Distance that would still pass: rounding in another order of summation, for logits near unit variance. */
  tolerance: number;
  /** Tokens compared, by prefill and by single decode steps. */
  tokens: number;
}

const promptTokens = 12;
const decodeTokens = 4;
const tolerances = { fp32: 1e-3, fp16: 5e-2 };

/** Logits of `tokens` tokens, one after another. */
export interface LogitsSample {
  tokens: number;
  logits: Float32Array;
}

/**
 * All logits of a prefill and a few decode steps, the same tokens for every decoder of a vocabulary.
 * Throws what the decoder throws.
 */
export async function sampleLogits(decoder: Decoder): Promise<LogitsSample> {
  const prompt = Math.min(promptTokens, decoder.contextLength - decodeTokens);
  const sequence = decoder.open({ batch: 1, capacity: prompt + decodeTokens });
  const steps: Float32Array[] = [];
  try {
    for (const count of [prompt, ...new Array<number>(decodeTokens).fill(1)]) {
      // Ids spread over the vocabulary; which ones does not matter.
      const ids = BigInt64Array.from({ length: count }, (_, i) =>
        BigInt(((sequence.length + i + 1) * 7919) % decoder.vocabulary),
      );
      steps.push(Float32Array.from((await sequence.step(ids, 'all')).data));
    }
  } finally {
    sequence.close();
  }
  const logits = new Float32Array(steps.reduce((sum, step) => sum + step.length, 0));
  let offset = 0;
  for (const step of steps) {
    logits.set(step, offset);
    offset += step.length;
  }
  return { tokens: prompt + decodeTokens, logits };
}

/** Compares what `sampleLogits` gave for two decoders of one model. */
export function compareLogits(a: LogitsSample, b: LogitsSample, tolerance: number): Parity {
  const [x, y] = [a.logits, b.logits];
  const comparable = x.length === y.length;
  let maxAbsDifference = comparable ? 0 : Number.POSITIVE_INFINITY;
  let identical = comparable;
  for (let i = 0; comparable && i < x.length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    if (Object.is(p, q)) continue;
    identical = false;
    const difference = Math.abs(p - q);
    maxAbsDifference = Number.isNaN(difference)
      ? Number.POSITIVE_INFINITY
      : Math.max(maxAbsDifference, difference);
  }
  return { identical, maxAbsDifference, tolerance, tokens: a.tokens };
}

/** The back end that comparing both decides for. */
export interface BackendChoice {
  backend: 'native' | 'node';
  reason: string;
  /** Null where there was nothing to compare, because only one back end loads or one was asked for by name. */
  parity: Parity | null;
  warnings: Warning[];
}

/**
 * Compares both back ends: the native one, or the Node binding with a warning where their logits differ by more than
 * the tolerance. Runs the model on this thread, for as long as that takes. Throws what opening and running it throws.
 */
export async function compareBackends(model: DecoderModel, options: OnnxOptions): Promise<BackendChoice> {
  const first = await openDecoder(model, options);
  const { backendReason: reason } = first.record;
  const backend = first.record.backend === 'native' ? 'native' : 'node';
  // One after the other: two sessions at once would hold a large model's weights twice.
  const sample = async (decoder: Decoder) => {
    try {
      return await sampleLogits(decoder);
    } finally {
      decoder.close();
    }
  };
  if (options.backend !== 'auto' || backend === 'node') {
    first.close();
    return { backend, reason, parity: null, warnings: [] };
  }
  const native = await sample(first);
  const node = await sample(await openDecoder(model, { ...options, backend: 'node' }));
  const parity = compareLogits(native, node, tolerances[model.decoder.logits.dtype]);
  if (parity.maxAbsDifference <= parity.tolerance) return { backend, reason, parity, warnings: [] };
  const message = `The native back end's logits differ from the Node binding's by ${parity.maxAbsDifference}.`;
  const hint = 'The Node binding is used instead, which copies the KV cache at every step.';
  const warning: Warning = { code: 'backend-mismatch', message, hint };
  return { backend: 'node', reason: message, parity, warnings: [warning] };
}
