import { nameOf, type PolicyOf } from '../pipeline.js';
import type { RequestState } from '../request.js';
import type { StopCondition } from '../token-choice.js';
import { type Draft, promptLookup } from './draft.js';
import { DraftDecoder } from './draft-decoder.js';
import { type Acceptance, speculate } from './speculate.js';

/** The endings that prompt lookup looks for, in tokens (as in transformers' `prompt_lookup_num_tokens`). */
const lookupEndings = { largest: 3, smallest: 1 };

/**
 * Generates the completion by draft and verify. Drafting and verifying alternate many times, so they are
 * one stage: its tokens are all positions that either model evaluated, and those that are not part of the
 * completion are hidden work.
 */
export async function runSpeculativeDecode(
  policy: PolicyOf<'decode'>,
  state: RequestState,
  stop: StopCondition,
): Promise<void> {
  const { sequence, contextIds, choose, tokenTimesNs, ledger, usage } = state;
  const draft = draftOf(policy, state, contextIds.length + stop.completionTokens);
  const acceptance: Acceptance =
    policy.acceptance === 'model'
      ? { kind: 'verified' }
      : {
          kind: 'set',
          probability: policy.acceptance,
          seed: state.pipeline.drawn[nameOf(policy)]?.seed ?? state.pipeline.seed,
        };
  const options = { draftTokens: policy.drafts, acceptance, stop };
  const speculated = await speculate(sequence!, contextIds, state.nextTokens[0]!, choose, draft, options, {
    onDrafted() {},
    onVerified({ tokens }) {
      // The tokens of a round are known at once.
      const atNs = state.now();
      for (let token = 0; token < tokens; token++) tokenTimesNs.push(atNs);
    },
  });
  draft.close();
  const { completion, drafted, accepted, rejected, rounds, targetSteps, draftSteps } = speculated;
  const evaluated = [...targetSteps, ...draftSteps].reduce((sum, { newTokens }) => sum + newTokens, 0);
  state.completions = [completion];
  contextIds.push(...completion);
  usage.completion += completion.length;
  ledger.close({
    name: nameOf(policy),
    type: 'speculation',
    visible: true,
    // The last token chosen is billed without being evaluated, as in plain decoding.
    tokens: evaluated + 1,
    billed: completion.length,
    detail: {
      drafted,
      accepted,
      rejected,
      rounds: rounds.length,
      draftPositions: draftSteps.reduce((sum, { newTokens }) => sum + newTokens, 0),
      acceptanceBy: policy.acceptance === 'model' ? 'model' : 'workload',
    },
  });
}

function draftOf(policy: PolicyOf<'decode'>, state: RequestState, capacity: number): Draft {
  if (policy.speculation === 'lookup') return promptLookup(lookupEndings);
  const model = state.resources.decoder(state.pipeline.models[policy.draft!]!);
  const metered = {
    vocabulary: model.decoder.vocabulary,
    open: (shape: { batch: number; capacity: number }) => state.meter.open(model, shape),
  };
  return new DraftDecoder(metered, state.chat.decoder, capacity);
}
