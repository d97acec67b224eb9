/**
 * speculative/ decodes by draft and verify: a cheap draft guesses some tokens, the target model computes
 * all of them in one pass, and keeps those that it would have chosen itself (Leviathan et al. 2023).
 */

import type { StepShape } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { Logits, Sequence } from '../../engines/engine.js';
import { createRandom } from '../../stats/random.js';
import type { StopCondition, TokenChooser } from '../token-choice.js';
import type { Draft } from './draft.js';

/**
 * `verified`: a draft token stays where the target chooses the same, so the completion is that of plain
 * decoding. `set`: random weights agree on nothing, so each draft token stays with `probability`, by a
 * seeded stream, until the first that does not; the target still computes and chooses as ever.
 */
export type Acceptance = { kind: 'verified' } | { kind: 'set'; probability: number; seed: number };

export interface SpeculationOptions {
  /** Draft tokens a round, at most. */
  draftTokens: number;
  acceptance: Acceptance;
  stop: StopCondition;
}

/** One draft and its verification. */
export interface Round {
  drafted: number;
  /** Drafted tokens that are part of the completion. */
  accepted: number;
  /** Tokens the completion grew by: those accepted, and one of the target's own. */
  tokens: number;
}

/** Told where a round stands, so that the two halves are timed apart; throws to stop the request. */
export interface SpeculationObserver {
  onDrafted(): void;
  onVerified(round: Round): void;
}

export interface Speculated {
  /** The first token given, and what followed. */
  completion: number[];
  rounds: Round[];
  drafted: number;
  accepted: number;
  /** Positions that the target computed and dropped; hidden work. */
  rejected: number;
  /** Forward passes of the target, without the prefill before them. */
  targetSteps: StepShape[];
  /** Forward passes of the draft's model, among them its prefill of the prompt. */
  draftSteps: StepShape[];
}

/**
 * Decodes after `firstToken`, which the prefill of `promptIds` in `sequence` (one row) has chosen. With
 * acceptance `verified`, any chooser gives the tokens that `decode` gives with it, as far as the kernels
 * for one and for several positions round alike. Rejected positions leave both caches.
 * Throws TokenworkError `speculation-batch`, `bad-speculation`, `all-logits-unavailable`, or what the
 * engine, the draft and the observer throw.
 */
export async function speculate(
  sequence: Sequence,
  promptIds: readonly number[],
  firstToken: number,
  choose: TokenChooser,
  draft: Draft,
  options: SpeculationOptions,
  observer: SpeculationObserver,
): Promise<Speculated> {
  checkOptions(sequence, options);
  const { draftTokens, stop } = options;
  const accepts = accepter(options.acceptance);
  const context = [...promptIds, firstToken];
  const draftStepsBefore = draft.steps.length;
  const targetSteps: StepShape[] = [];
  const rounds: Round[] = [];
  const emitted = () => context.length - promptIds.length;
  let ended = stop.endTokenIds.has(firstToken);
  while (!ended && emitted() < stop.completionTokens) {
    const cached = sequence.length;
    // One token of a round is the target's own, so the last one needs no draft.
    const wanted = Math.min(draftTokens, stop.completionTokens - emitted() - 1);
    const guess = wanted === 0 ? [] : await draft.propose(context, wanted);
    observer.onDrafted();
    const input = BigInt64Array.from([context.at(-1)!, ...guess], BigInt);
    const logits = await sequence.step(input, 'all');
    requireAll(logits, input.length);
    targetSteps.push({ batch: 1, newTokens: input.length, pastTokens: cached });
    const kept = verify(logits, guess, choose, accepts, stop.endTokenIds);
    sequence.truncate(cached + kept.tokens.length);
    context.push(...kept.tokens);
    ended = kept.ended;
    const round = { drafted: guess.length, accepted: kept.accepted, tokens: kept.tokens.length };
    rounds.push(round);
    observer.onVerified(round);
  }
  const total = (count: 'drafted' | 'accepted') => rounds.reduce((sum, round) => sum + round[count], 0);
  const [drafted, accepted] = [total('drafted'), total('accepted')];
  return {
    completion: context.slice(promptIds.length),
    rounds,
    drafted,
    accepted,
    rejected: drafted - accepted,
    targetSteps,
    draftSteps: draft.steps.slice(draftStepsBefore),
  };
}

/**
 * The tokens a round adds. The chooser is asked once for each of them and no more, so that a seeded one
 * draws as often as in plain decoding.
 */
function verify(
  { data, vocabulary }: Logits,
  guess: readonly number[],
  choose: TokenChooser,
  accepts: (guessed: number, chosen: number) => boolean,
  endTokenIds: ReadonlySet<number>,
): { tokens: number[]; accepted: number; ended: boolean } {
  const tokens: number[] = [];
  for (let position = 0; position <= guess.length; position++) {
    const chosen = choose(data, position * vocabulary, vocabulary);
    const guessed = guess[position];
    const accepted = guessed !== undefined && accepts(guessed, chosen);
    const token = accepted ? guessed : chosen;
    tokens.push(token);
    const ended = endTokenIds.has(token);
    if (ended || !accepted) return { tokens, accepted: tokens.length - (accepted ? 0 : 1), ended };
  }
  throw new Error('the target chose no token of its own');
}

function accepter(acceptance: Acceptance): (guessed: number, chosen: number) => boolean {
  if (acceptance.kind === 'verified') return (guessed, chosen) => guessed === chosen;
  const random = createRandom(acceptance.seed);
  return () => random.uniform() < acceptance.probability;
}

function checkOptions(sequence: Sequence, { draftTokens, acceptance }: SpeculationOptions): void {
  if (sequence.batch !== 1)
    throw new TokenworkError(
      'speculation-batch',
      `Speculative decoding runs one sequence at a time, not a batch of ${sequence.batch}.`,
      'Set the batch to 1: rows accept different numbers of tokens, and their caches would fall apart.',
    );
  const sensible =
    acceptance.kind === 'verified' || (acceptance.probability >= 0 && acceptance.probability <= 1);
  if (Number.isSafeInteger(draftTokens) && draftTokens >= 1 && sensible) return;
  throw new TokenworkError(
    'bad-speculation',
    `Speculation with ${draftTokens} draft tokens and acceptance ${JSON.stringify(acceptance)} is not defined.`,
    'Draft a whole number of tokens, at least 1, and accept with a probability from 0 to 1.',
  );
}

function requireAll(logits: Logits, positions: number): void {
  if (logits.positions === positions) return;
  throw new TokenworkError(
    'all-logits-unavailable',
    `The target model computes the logits of ${logits.positions} of ${positions} positions, so it cannot verify a draft.`,
    'Use an export whose logits cover every position, or with an input num_logits_to_keep.',
  );
}
