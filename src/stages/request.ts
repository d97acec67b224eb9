import { TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { Sequence } from '../engines/engine.js';
import type { Tokenizer } from '../models/tokenizer.js';
import type { CachedPrefix } from './cached-prefix.js';
import type { Instruments } from './instruments.js';
import type { Ledger, Usage } from './ledger.js';
import { Meter, type MeteredModel, type RequestControl } from './meter.js';
import { plainChat, type RequestPipeline } from './pipeline.js';
import type { Resources } from './resources.js';
import { type Sampling, type TokenChooser, tokenChooser } from './token-choice.js';
import type { Prompt } from './tokenization.js';

/** One request. Lengths are per row; `batch` rows run side by side, with the same prompt unless said otherwise. */
export interface RequestInput {
  prompt: Prompt;
  completionTokens: number;
  batch: number;
  /** Prompts of the rows after the first, each as long as it; those of all rows are the same where absent. */
  otherRows?: readonly (readonly number[])[] | undefined;
  /** The texts they stand for, where a stage needs them. */
  otherTexts?: readonly string[] | undefined;
  /** `forced`: end-of-text is generated past, so that exactly `completionTokens` come out. */
  stop: 'forced' | 'eos';
  sampling: Sampling;
  /** On the instruments' clock; null for none. */
  deadlineNs: Nanoseconds | null;
  /** Plain chat where absent. */
  pipeline?: RequestPipeline | undefined;
}

export type TextTokenizer = Pick<Tokenizer, 'encode' | 'decode'>;

/** A loaded model, ready to run requests on the calling thread. */
export interface LoadedModel extends MeteredModel {
  /** What the run calls it. */
  id: string;
  eosTokenIds: readonly number[];
  /** Null where nothing of the run is text. */
  tokenizer: TextTokenizer | null;
}

/** Tokens that a stage put before the prompt. */
interface ContextTokens {
  ids: readonly number[];
  /** Of the rows after the first, as many each. */
  otherRows: readonly (readonly number[])[];
  billed: boolean;
  stage: string;
}

/** A request on its way through its pipeline: what the stages before have made, for those that follow. */
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
  /** Of the answer, per row; reasoning comes on top. */
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
