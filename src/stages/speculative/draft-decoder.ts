import type { StepShape } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { Bytes } from '../../core/units.js';
import type { Decoder, Sequence } from '../../engines/engine.js';
import { chooseRows } from '../rows.js';
import { tokenChooser } from '../token-choice.js';
import type { Draft } from './draft.js';

/** Drafts by a smaller decoder, greedily, on a sequence of its own with room for `capacity` positions. */
export class DraftDecoder implements Draft {
  readonly #sequence: Sequence;
  readonly #steps: StepShape[] = [];
  readonly #choose = tokenChooser({ kind: 'greedy' });
  /** The tokens whose positions are cached. */
  readonly #cached: number[] = [];

  /**
   * Throws TokenworkError `draft-vocabulary` where the two models' tokens are not the same, or what
   * `Decoder.open` throws.
   */
  constructor(
    decoder: Pick<Decoder, 'vocabulary' | 'open'>,
    target: { vocabulary: number },
    capacity: number,
  ) {
    if (decoder.vocabulary !== target.vocabulary)
      throw new TokenworkError(
        'draft-vocabulary',
        `The draft model knows ${decoder.vocabulary} tokens and the target ${target.vocabulary}.`,
        'Draft with a model of the same tokenizer.',
      );
    this.#sequence = decoder.open({ batch: 1, capacity });
  }

  get steps(): readonly StepShape[] {
    return this.#steps;
  }

  get kvBytes(): Bytes {
    return this.#sequence.kvBytes;
  }

  async propose(context: readonly number[], count: number): Promise<number[]> {
    const proposed: number[] = [];
    let next = this.#unseen(context);
    while (proposed.length < count) {
      const token = await this.#step(next);
      proposed.push(token);
      next = [token];
    }
    return proposed;
  }

  close(): void {
    this.#sequence.close();
  }

  /** Returns the part of the context that is not cached yet, at least its last token; drops what was guessed wrong. */
  #unseen(context: readonly number[]): readonly number[] {
    const limit = Math.min(this.#cached.length, context.length - 1);
    let known = 0;
    while (known < limit && this.#cached[known] === context[known]) known++;
    this.#cached.length = known;
    this.#sequence.truncate(known);
    return context.slice(known);
  }

  async #step(tokens: readonly number[]): Promise<number> {
    const shape = { batch: 1, newTokens: tokens.length, pastTokens: this.#cached.length };
    const logits = await this.#sequence.step(BigInt64Array.from(tokens, BigInt));
    this.#cached.push(...tokens);
    this.#steps.push(shape);
    return chooseRows(logits, this.#choose)[0]!;
  }
}
