/**
 * stages/: a request as a pipeline of stages, and the account of what each cost. A stage begins where
 * the one before ended, so that the stages add up to the request: nothing falls between two of them.
 */
import type { CostModel } from '../core/cost.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { Decoder } from '../engines/engine.js';
import { accountRequest, type RequestAccounts, tokenGaps } from './accounts.js';
import { type DecodedRows, decode } from './decode.js';
import { type Instruments, type Reading, readInstruments } from './instruments.js';
import { prefill } from './prefill.js';
import type { StepTrace } from './step-costs.js';
import { type Sampling, tokenChooser } from './token-choice.js';
import { type Encode, type Prompt, tokenize } from './tokenization.js';

/** One request. Lengths are per row; `batch` rows of the same prompt run side by side. */
export interface RequestInput {
  prompt: Prompt;
  completionTokens: number;
  batch: number;
  /** `forced`: end-of-text is generated past, so that exactly `completionTokens` come out. */
  stop: 'forced' | 'eos';
  sampling: Sampling;
  /** On the instruments' clock; null for none. */
  deadlineNs: Nanoseconds | null;
}

/** A loaded model, ready to run requests on the calling thread. */
export interface LoadedModel {
  decoder: Decoder;
  cost: CostModel;
  eosTokenIds: readonly number[];
  encode: Encode | null;
}

export interface RequestControl {
  /** Whether someone wants this request stopped; asked after every step. */
  stopRequested(): boolean;
  /** Called after every step, so that a watchdog sees progress. */
  onStep(): void;
}

export interface FinishedRequest extends RequestAccounts {
  status: 'ok';
  times: { started: Nanoseconds; firstToken: Nanoseconds; lastToken: Nanoseconds };
  tokenGapsNs: Nanoseconds[];
  /** Token ids of each row. */
  completions: number[][];
}

export interface UnfinishedRequest {
  status: 'failed';
  code: string;
  message: string;
  times: { started: Nanoseconds; firstToken: Nanoseconds | null; lastToken: Nanoseconds | null };
}

/**
 * Runs one request through its stages: tokenization, prefill, decode. Never throws: a request that fails
 * is an outcome, with the code of what failed it, among them `context-exceeded`, `nan-logits`,
 * `deadline-exceeded` and `interrupted`.
 */
export async function runRequest(
  input: RequestInput,
  model: LoadedModel,
  instruments: Instruments,
  control: RequestControl,
): Promise<FinishedRequest | UnfinishedRequest> {
  const steps: StepTrace = { timesNs: [], kvBytes: [] };
  const started = readInstruments(instruments);
  try {
    return await runStages(input, model, instruments, control, started, steps);
  } catch (thrown) {
    return {
      status: 'failed',
      ...failureOf(thrown, control.stopRequested()),
      times: {
        started: started.atNs,
        firstToken: steps.timesNs[0] ?? null,
        lastToken: steps.timesNs.at(-1) ?? null,
      },
    };
  }
}

async function runStages(
  input: RequestInput,
  model: LoadedModel,
  instruments: Instruments,
  control: RequestControl,
  started: Reading,
  steps: StepTrace,
): Promise<FinishedRequest> {
  const ids = tokenize(input.prompt, model.encode, model.decoder.vocabulary);
  refuseTooLong(ids.length, input.completionTokens, model.decoder.contextLength);
  const tokenized = readInstruments(instruments);
  const { decoded, prefilled } = await generate(input, ids, model, instruments, control, steps);
  const ended = readInstruments(instruments);
  const trace = {
    batch: input.batch,
    promptTokens: ids.length,
    decoded,
    steps,
    boundaries: { started, tokenized, prefilled, ended },
  };
  return {
    status: 'ok',
    times: { started: started.atNs, firstToken: steps.timesNs[0]!, lastToken: steps.timesNs.at(-1)! },
    tokenGapsNs: tokenGaps(steps),
    completions: decoded.completions,
    ...accountRequest(trace, model.cost),
  };
}

/** Prefill and decode on a sequence of their own; fills `steps` as they go. */
async function generate(
  input: RequestInput,
  ids: readonly number[],
  { decoder, eosTokenIds }: LoadedModel,
  instruments: Instruments,
  control: RequestControl,
  steps: StepTrace,
): Promise<{ decoded: DecodedRows; prefilled: Reading }> {
  const { batch, completionTokens, sampling, stop, deadlineNs } = input;
  const choose = tokenChooser(sampling);
  const sequence = decoder.open({ batch, capacity: ids.length + completionTokens - 1 });
  try {
    const onToken = () => {
      const atNs = instruments.clock.now();
      steps.timesNs.push(atNs);
      steps.kvBytes.push(sequence.kvBytes);
      control.onStep();
      if (control.stopRequested() || (deadlineNs !== null && atNs > deadlineNs)) throw terminated();
    };
    const firstTokens = await prefill(sequence, ids, choose);
    onToken();
    const prefilled = readInstruments(instruments);
    const endTokenIds = new Set(stop === 'eos' ? eosTokenIds : []);
    const decoded = await decode(sequence, firstTokens, choose, { endTokenIds, completionTokens }, onToken);
    return { decoded, prefilled };
  } finally {
    sequence.close();
  }
}

function refuseTooLong(promptTokens: number, completionTokens: number, contextLength: number): void {
  if (promptTokens + completionTokens <= contextLength) return;
  throw new TokenworkError(
    'context-exceeded',
    `${promptTokens} prompt and ${completionTokens} completion tokens are more than the ${contextLength} positions of the model's context.`,
    'Use a shorter prompt or completion, or a model with a longer context.',
  );
}

/** Between two steps a request is stopped as within one: by the error the engine throws there. */
function terminated(): TokenworkError {
  return new TokenworkError('terminated', 'The request was stopped.', 'Run it again.');
}

function failureOf(thrown: unknown, stopRequested: boolean): Pick<UnfinishedRequest, 'code' | 'message'> {
  if (!(thrown instanceof TokenworkError)) return { code: 'request-failed', message: messageOf(thrown) };
  if (thrown.code !== 'terminated') return { code: thrown.code, message: thrown.message };
  return stopRequested
    ? { code: 'interrupted', message: 'The run was stopped.' }
    : { code: 'deadline-exceeded', message: 'The request did not finish before its deadline.' };
}
