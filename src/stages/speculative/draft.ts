import type { StepShape } from '../../core/cost.js';
import type { Bytes } from '../../core/units.js';

/** A source of guesses of the next tokens. */
export interface Draft {
  /** Forward passes its model has run so far; empty where it needs none. */
  readonly steps: readonly StepShape[];
  /** The positions in its own cache. */
  readonly kvBytes: Bytes;
  /**
   * Up to `count` tokens that may follow `context`: fewer, or none, where it has no guess. Called again
   * with a context that differs from its guess, it forgets what was wrong by itself.
   */
  propose(context: readonly number[], count: number): Promise<readonly number[]>;
  close(): void;
}

export interface PromptLookupOptions {
  /** Longest ending of the context that is looked for; shorter ones follow down to `smallest`. */
  largest: number;
  smallest: number;
}

/**
 * Guesses that what followed the context's last tokens before will follow them again (prompt lookup
 * decoding, Saxena 2023): the longest ending that occurs earlier, and of its occurrences the latest.
 */
export function promptLookup({ largest, smallest }: PromptLookupOptions): Draft {
  return {
    steps: [],
    kvBytes: 0,
    async propose(context, count) {
      for (let length = Math.min(largest, context.length - 1); length >= smallest; length--) {
        const found = latestOccurrence(context, length);
        if (found !== null) return context.slice(found + length, found + length + count);
      }
      return [];
    },
    close() {},
  };
}

/** Finds where the last `length` tokens of `context` stood before, latest first; null where nowhere. */
function latestOccurrence(context: readonly number[], length: number): number | null {
  const ending = context.length - length;
  for (let start = ending - 1; start >= 0; start--) {
    let matched = 0;
    while (matched < length && context[start + matched] === context[ending + matched]) matched++;
    if (matched === length) return start;
  }
  return null;
}
