import { TokenworkError } from '../core/errors.js';

/**
 * New tokens per row of a step. Throws TokenworkError `invalid-step` (no whole number of tokens a row),
 * `context-exceeded` or `token-out-of-vocabulary`.
 */
export function newTokensOf(
  tokenIds: BigInt64Array,
  sequence: { batch: number; length: number; capacity: number },
  vocabulary: number,
): number {
  const newTokens = tokenIds.length / sequence.batch;
  if (newTokens < 1 || !Number.isInteger(newTokens))
    throw new TokenworkError(
      'invalid-step',
      `A step of ${tokenIds.length} token ids does not fit a batch of ${sequence.batch}.`,
      'Give every row of the batch the same number of tokens, at least one.',
    );
  if (sequence.length + newTokens > sequence.capacity)
    throw new TokenworkError(
      'context-exceeded',
      `${sequence.length} + ${newTokens} tokens exceed the ${sequence.capacity} this sequence has room for.`,
      'Shorten the prompt or the completion, or use a model with a longer context.',
    );
  const limit = BigInt(vocabulary);
  for (const id of tokenIds)
    if (id < 0n || id >= limit)
      throw new TokenworkError(
        'token-out-of-vocabulary',
        `Token id ${id} is outside the model's vocabulary of ${vocabulary}.`,
        'Use the tokenizer that belongs to the model.',
      );
  return newTokens;
}

/**
 * Checks the shape of a sequence to open. Throws TokenworkError `context-exceeded` or `invalid-step`.
 */
export function checkSequenceShape(shape: { batch: number; capacity: number }, contextLength: number): void {
  const whole = (n: number) => Number.isInteger(n) && n >= 1;
  if (!whole(shape.batch) || !whole(shape.capacity))
    throw new TokenworkError(
      'invalid-step',
      `A sequence of batch ${shape.batch} and capacity ${shape.capacity} cannot be opened.`,
      'Both must be whole numbers of at least 1.',
    );
  if (shape.capacity > contextLength)
    throw new TokenworkError(
      'context-exceeded',
      `${shape.capacity} tokens exceed the model's context of ${contextLength}.`,
      'Shorten the prompt or the completion, or use a model with a longer context.',
    );
}

/** A sequence or decoder was used after `close`: an error of the program, not of its user. */
export function closedError(what: string): Error {
  return new Error(`the ${what} is closed`);
}
