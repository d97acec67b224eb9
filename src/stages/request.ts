import { TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { Sequence } from '../engines/engine.js';
import type { ChatMessage } from '../models/tokenizer.js';
import type { Instruments } from './instruments.js';
import type { Ledger, Usage } from './ledger.js';
import type { LoadedModel } from './loaded-model.js';
import { Meter, type RequestControl } from './meter.js';
import { plainChat, type RequestPipeline } from './pipeline.js';
import type { PrefixCache, PrefixMatch } from './prefix-cache/prefix-cache.js';
import type { RequestSpec } from './request-spec.js';
import type { Resources } from './resources.js';
import { type TokenChooser, tokenChooser } from './token-choice.js';

/**
 * Token ids, with the text they stand for where a stage needs it; or a text that is to be tokenized, by the chat
 * template where it is of messages and the model has one.
 */
export type Prompt =
  | { kind: 'ids'; ids: readonly number[]; text?: string }
  | { kind: 'text'; text: string; messages?: readonly ChatMessage[] | undefined };

/** The prompts of a batch, in the tokens of the model that is to read them. */
export interface PromptRows {
  /** The first row's. */
  prompt: Prompt;
  /** Those of the rows after the first, each as long as it; the same as the first where absent. */
  otherRows?: readonly (readonly number[])[] | undefined;
  /** The texts of `otherRows`, where a stage needs them. */
  otherTexts?: readonly string[] | undefined;
}

/** A request with its synthetic prompts drawn, which is no part of what is measured, and its deadline set. */
export interface RequestInput extends Omit<RequestSpec, 'prompt' | 'neighbours'>, PromptRows {
  /** On the instruments' clock; null for none. */
  deadlineNs: Nanoseconds | null;
}

/** A part of the prefix cache that a request uses until it has stored what it adds to it. */
interface CachedPrefix {
  cache: PrefixCache;
  match: PrefixMatch;
  /** The name that the cache's stages begin with. */
  stage: string;
}

/** Tokens that a stage put before the prompt. */
interface ContextTokens {
  ids: readonly number[];
  /** The same number of tokens for each row after the first. */
  otherRows: readonly (readonly number[])[];
  billed: boolean;
  stage: string;
}

/** A request on its way through its pipeline: each stage reads here what the stages before it have made. */
export interface RequestState {
  readonly input: RequestInput;
  readonly pipeline: RequestPipeline;
  readonly chat: LoadedModel;
  readonly resources: Resources;
  readonly ledger: Ledger;
  readonly meter: Meter;
  readonly choose: TokenChooser;
  readonly now: () => Nanoseconds;
  readonly usage: Usage;
  /** The answer's, per row; reasoning comes on top. */
  readonly completionTokens: number;
  promptIds: readonly number[];
  retrieved: ContextTokens | null;
  /** Hidden tokens that are generated before the completion. */
  reasoningTokens: number;
  /** The chat model's sequence, from prefill on. */
  sequence: Sequence | null;
  /** The ids in it, of a batch of 1; what a prefix cache goes by. */
  contextIds: number[];
  /** The token of each row that was chosen last and has not been evaluated, and when it was chosen. */
  nextTokens: number[];
  nextChosenNs: Nanoseconds | null;
  cachedPrefix: CachedPrefix | null;
  completions: number[][];
  /** The completions as text, where the prompt was one. */
  texts: string[];
  /** When each token of the completion was chosen. */
  tokenTimesNs: Nanoseconds[];
}

export function beginRequest(
  input: RequestInput,
  chat: LoadedModel,
  resources: Resources,
  ledger: Ledger,
  instruments: Instruments,
  control: RequestControl,
): RequestState {
  return {
    input,
    pipeline: input.pipeline ?? plainChat,
    chat,
    resources,
    ledger,
    meter: new Meter(ledger, control, input.deadlineNs),
    choose: tokenChooser(input.sampling),
    now: () => instruments.clock.now(),
    usage: { prompt: 0, completion: 0, cached: 0, reasoning: 0 },
    completionTokens: input.completionTokens,
    promptIds: [],
    retrieved: null,
    reasoningTokens: 0,
    sequence: null,
    contextIds: [],
    nextTokens: [],
    nextChosenNs: null,
    cachedPrefix: null,
    completions: [],
    texts: [],
    tokenTimesNs: [],
  };
}

/** Throws TokenworkError `context-exceeded` where a request has more positions than its model can hold. */
export function refuseTooLong(
  { contextIds, reasoningTokens, completionTokens }: RequestState,
  positions: number,
  contextLength: number,
): void {
  if (positions <= contextLength) return;
  const hidden = reasoningTokens > 0 ? ` and ${reasoningTokens} reasoning` : '';
  throw new TokenworkError(
    'context-exceeded',
    `${contextIds.length} prompt${hidden} and ${completionTokens} completion tokens are more than the ${contextLength} positions of the model's context.`,
    'Use a shorter prompt or completion, or a model with a longer context.',
  );
}
