import type { StepShape } from '../core/cost.js';
import { TokenworkError } from '../core/errors.js';

/** Texts side by side: row-major [batch, positions], shorter ones padded at their end. */
export interface TextBatch {
  batch: number;
  positions: number;
  ids: BigInt64Array;
  /** 1 where a position is of its text, 0 where it is padding. */
  mask: BigInt64Array;
  /** Positions of each text. */
  lengths: number[];
}

/** The pass that reading `rows` in one batch takes, for the cost model; padding is computed like text. */
export function encoderPass(rows: readonly (readonly number[])[]): StepShape {
  return { batch: rows.length, newTokens: Math.max(...rows.map(({ length }) => length)), pastTokens: 0 };
}

/**
 * Pads rows to one length. Throws TokenworkError `invalid-step` where there is nothing to read,
 * `context-exceeded` or `token-out-of-vocabulary`.
 */
export function batchTexts(
  rows: readonly (readonly number[])[],
  { contextLength, vocabulary }: { contextLength: number; vocabulary: number },
): TextBatch {
  const lengths = rows.map(({ length }) => length);
  const positions = Math.max(0, ...lengths);
  if (rows.length === 0 || lengths.includes(0))
    throw new TokenworkError(
      'invalid-step',
      rows.length === 0 ? 'There are no texts to encode.' : 'A text without tokens cannot be encoded.',
      'Give every text at least one token; its special tokens count.',
    );
  if (positions > contextLength)
    throw new TokenworkError(
      'context-exceeded',
      `A text of ${positions} tokens exceeds the encoder's ${contextLength}.`,
      'Shorten the text or split it, or use an encoder with a longer context.',
    );
  const ids = new BigInt64Array(rows.length * positions);
  const mask = new BigInt64Array(ids.length);
  for (const [row, tokens] of rows.entries()) {
    for (const [position, id] of tokens.entries()) {
      if (!(id >= 0 && id < vocabulary))
        throw new TokenworkError(
          'token-out-of-vocabulary',
          `Token id ${id} is outside the encoder's vocabulary of ${vocabulary}.`,
          'Use the tokenizer that belongs to the encoder.',
        );
      ids[row * positions + position] = BigInt(id);
    }
    mask.fill(1n, row * positions, row * positions + tokens.length);
  }
  return { batch: rows.length, positions, ids, mask, lengths };
}

/** Each text's mean over its own positions of [batch, positions, size]. */
export function meanOfPositions(
  data: Float32Array,
  { positions, lengths }: TextBatch,
  size: number,
): Float32Array {
  const means = new Float32Array(lengths.length * size);
  for (const [row, length] of lengths.entries()) {
    const sums = new Float64Array(size);
    for (let position = 0; position < length; position++) {
      const offset = (row * positions + position) * size;
      for (let i = 0; i < size; i++) sums[i]! += data[offset + i]!;
    }
    for (let i = 0; i < size; i++) means[row * size + i] = sums[i]! / length;
  }
  return means;
}

/** Scales each vector of [batch, size] to length 1, in place; one of zeros stays as it is. */
export function normaliseRows(vectors: Float32Array, size: number): Float32Array {
  for (let start = 0; start < vectors.length; start += size) {
    let squares = 0;
    for (let i = start; i < start + size; i++) squares += vectors[i]! ** 2;
    if (squares === 0) continue;
    const scale = 1 / Math.sqrt(squares);
    for (let i = start; i < start + size; i++) vectors[i]! *= scale;
  }
  return vectors;
}
