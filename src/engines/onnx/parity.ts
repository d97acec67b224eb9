import type { Warning } from '../../core/result.js';
import type { Decoder, EngineOptions } from '../engine.js';
import { type DecoderModel, openDecoder } from './open-decoder.js';

/** How far the two back ends' logits are apart on the same tokens. */
export interface Parity {
  identical: boolean;
  /** Largest absolute difference of two logits; infinite where only one of them is a number. */
  maxAbsDifference: number;
  /** What would still pass: rounding in another order of summation, for logits near unit variance. */
  tolerance: number;
  /** Tokens compared, by prefill and by single decode steps. */
  tokens: number;
}

const promptTokens = 12;
const decodeTokens = 4;
const tolerances = { fp32: 1e-3, fp16: 5e-2 };

/**
 * Runs the same few tokens through two decoders, a prefill and decode steps, and compares all logits.
 * Throws what the decoders throw.
 */
export async function compareDecoders(a: Decoder, b: Decoder, tolerance: number): Promise<Parity> {
  const prompt = Math.min(promptTokens, a.contextLength - decodeTokens);
  const tokens = prompt + decodeTokens;
  const sequences = [a, b].map((decoder) => decoder.open({ batch: 1, capacity: tokens }));
  let maxAbsDifference = 0;
  let identical = true;
  try {
    for (let start = 0; start < tokens; start = start === 0 ? prompt : start + 1) {
      const ids = BigInt64Array.from({ length: start === 0 ? prompt : 1 }, (_, i) =>
        // Ids spread over the vocabulary; which ones does not matter.
        BigInt(((start + i + 1) * 7919) % a.vocabulary),
      );
      const [x, y] = [await sequences[0]!.step(ids, 'all'), await sequences[1]!.step(ids, 'all')];
      for (let i = 0; i < x.data.length; i++) {
        const [p, q] = [x.data[i]!, y.data[i]!];
        if (Object.is(p, q)) continue;
        identical = false;
        const difference = Math.abs(p - q);
        if (!(difference <= maxAbsDifference))
          maxAbsDifference = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      }
    }
  } finally {
    for (const sequence of sequences) sequence.close();
  }
  return { identical, maxAbsDifference, tolerance, tokens };
}

/**
 * Decides which back end a run uses for a model, by comparing both: the native one, or the Node binding
 * with a warning where their logits differ by more than the tolerance. `parity` is `null` where there
 * is nothing to compare, because only one back end loads or one was asked for by name.
 */
export async function chooseBackend(
  model: DecoderModel,
  options: EngineOptions,
): Promise<{ backend: 'native' | 'node'; reason: string; parity: Parity | null; warnings: Warning[] }> {
  const first = await openDecoder(model, options);
  const { backend, backendReason: reason } = first.record;
  try {
    if (options.backend !== 'auto' || backend === 'node')
      return { backend, reason, parity: null, warnings: [] };
    const node = await openDecoder(model, { ...options, backend: 'node' });
    try {
      const parity = await compareDecoders(first, node, tolerances[model.decoder.logits.dtype]);
      if (parity.maxAbsDifference <= parity.tolerance) return { backend, reason, parity, warnings: [] };
      const message = `The native back end's logits differ from the Node binding's by ${parity.maxAbsDifference}.`;
      const hint = 'The Node binding is used instead, which copies the KV cache at every step.';
      const warning = { code: 'backend-mismatch', message, hint };
      return { backend: 'node', reason: message, parity, warnings: [warning] };
    } finally {
      node.close();
    }
  } finally {
    first.close();
  }
}
