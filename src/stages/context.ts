import { deriveSeed } from '../stats/random.js';
import type { PolicyOf } from './pipeline.js';
import type { RequestState } from './request.js';
import { syntheticTokenIds } from './synthetic-tokens.js';

/** A part of what the chat model reads before it answers. */
export interface ContextPart {
  /** The stage or the part it comes from. */
  name: string;
  ids: readonly number[];
  /** The ids that end the rows after the first in place of `ids`; absent where all rows are alike. */
  otherRows?: readonly (readonly number[])[] | undefined;
  billed: boolean;
}

const none: ContextPart = { name: '', ids: [], billed: true };

/** Streams of synthetic ids, told apart by number. */
const streams = { system: 1, history: 2, pieces: 3, instructions: 4, filler: 5 };

/** The parts of a request's state that its context is made from. */
export type ContextSource = Pick<
  RequestState,
  'pipeline' | 'chat' | 'resources' | 'promptIds' | 'retrieved'
> & {
  completionTokens: number;
};

/**
 * The parts that the chat model reads, in order, empty ones left out: the system prompt and the turns so far, which
 * a cache may hold; then what was retrieved for this prompt, and the prompt.
 */
export function contextParts(policy: PolicyOf<'prefill'>, state: ContextSource): ContextPart[] {
  const { promptIds, retrieved } = state;
  return [
    { name: 'system prompt', ids: systemIds(policy, state), billed: true },
    { name: 'history', ids: historyIds(policy, state), billed: true },
    retrieved === null ? none : { name: retrieved.stage, ...retrieved },
    { name: 'prompt', ids: promptIds, billed: true },
  ].filter(({ ids }) => ids.length > 0);
}

/** The ids that requests of one conversation share: its system prompt and the turns so far. */
export function sharedIds(policy: PolicyOf<'prefill'>, state: ContextSource): number[] {
  return [...systemIds(policy, state), ...historyIds(policy, state)];
}

export function systemIds({ systemTokens }: PolicyOf<'prefill'>, state: ContextSource): number[] {
  return idsOf(state, 'system', systemTokens);
}

/** Turns before this one, each a prompt and the model's answer to it, as `prepareConversation` has made them. */
function historyIds(policy: PolicyOf<'prefill'>, state: ContextSource): number[] {
  const { promptIds, completionTokens, resources } = state;
  const positions = policy.historyTurns * (promptIds.length + completionTokens);
  const history = resources.conversation(conversationKey(policy, state));
  if (history.length < positions) throw new Error('the conversation was not prepared');
  return history.slice(0, positions);
}

/** The prompt of an earlier turn, as long as this one's. */
export function turnIds(state: ContextSource, turn: number): number[] {
  return idsOf(state, 'history', state.promptIds.length, turn);
}

/** Conversations are the same where their beginnings and the lengths of their turns are. */
export function conversationKey(
  { systemTokens }: PolicyOf<'prefill'>,
  { chat, pipeline, promptIds, completionTokens }: ContextSource,
): string {
  return [chat.id, pipeline.seed, systemTokens, promptIds.length, completionTokens].join(' ');
}

/** `tokens` ids in the chat model's vocabulary; `of` tells the texts of one stream apart. */
export function idsOf(
  { pipeline, chat }: Pick<ContextSource, 'pipeline' | 'chat'>,
  stream: keyof typeof streams,
  tokens: number,
  of = 0,
): number[] {
  const seed = deriveSeed(deriveSeed(pipeline.seed, streams[stream]), of);
  return syntheticTokenIds({
    tokens,
    seed,
    vocabulary: chat.decoder.vocabulary,
    avoid: chat.eosTokenIds,
  });
}

/** Positions that the chat model's sequence has in the end, with the last token, which is not fed back. */
export function positionsNeeded({ contextIds, reasoningTokens, completionTokens }: RequestState): number {
  return contextIds.length + reasoningTokens + completionTokens;
}
