import koffi from 'koffi';
import { TokenworkError } from '../../core/errors.js';
import type { Address } from './library.js';
import type { Fields } from './structs.js';
import { lowerFlag } from './termination.js';

/** Results of `llama_decode`. */
const aborted = 2;
const statuses = new Map([
  [1, 'no room in the KV cache'],
  [-1, 'an invalid batch'],
  [-2, 'no memory'],
  [-3, 'the computation failed'],
]);

/**
 * The error of a `llama_decode` that failed. A termination asked for is served once, and its flag lowered: the model
 * goes on with the next request.
 */
export function stepError(status: number, flag: Address, what: string): TokenworkError {
  lowerFlag(flag);
  if (status === aborted)
    return new TokenworkError('terminated', 'The request was stopped while it ran.', 'Run it again.');
  return new TokenworkError(
    'engine-failed',
    `llama.cpp failed ${what} (${statuses.get(status) ?? `status ${status}`}).`,
    'Check that the model runs in llama.cpp with these lengths, or try another quantisation.',
  );
}

/** Room for the tokens of a call, in memory that does not move. */
export class StepArrays {
  readonly length: number;
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly counts: Int32Array;
  readonly sequencePointers: BigUint64Array;
  readonly outputs: Int8Array;

  constructor(length: number) {
    this.length = length;
    this.tokens = new Int32Array(length);
    this.positions = new Int32Array(length);
    this.counts = new Int32Array(length).fill(1);
    this.sequencePointers = new BigUint64Array(length);
    this.outputs = new Int8Array(length);
  }

  /** The first `count` tokens, as `llama_decode` takes them. */
  batch(count = this.length): Fields {
    return {
      n_tokens: count,
      token: koffi.address(this.tokens),
      embd: null,
      pos: koffi.address(this.positions),
      n_seq_id: koffi.address(this.counts),
      seq_id: koffi.address(this.sequencePointers),
      logits: koffi.address(this.outputs),
    };
  }
}
