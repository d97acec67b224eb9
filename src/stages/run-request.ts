/**
 * stages/: a request as a pipeline of stages, and the ledger of what each cost. A stage begins where the
 * one before ended, so that the stages add up to the request: nothing falls between two of them.
 */
import type { FailureCode } from '../core/codes.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import type { Bytes, Nanoseconds } from '../core/units.js';
import { prepareConversation } from './conversation.js';
import { reasoningTokensOf, runDecode, runReasoning } from './decode.js';
import type { Instruments } from './instruments.js';
import { Ledger, type RequestAccounts, type StageTimes } from './ledger.js';
import type { LoadedModel } from './loaded-model.js';
import type { RequestControl } from './meter.js';
import { type PolicyOf, type PolicyType, plainChat, policyOf, type StagePolicy } from './pipeline.js';
import { runPrefill } from './prefill.js';
import { preparePrefix } from './prefix-cache/lookup.js';
import { beginRequest, type RequestInput, type RequestState } from './request.js';
import { Resources } from './resources.js';
import { prepareHistory, runRetrieval } from './retrieval/stage.js';
import { runSafety } from './safety/stage.js';
import { runDetokenization, runTokenization, tokenize } from './tokenization.js';

export interface FinishedRequest extends RequestAccounts {
  status: 'ok';
  times: { started: Nanoseconds; firstToken: Nanoseconds; lastToken: Nanoseconds; ended: Nanoseconds };
  tokenGapsNs: Nanoseconds[];
  /** Token ids of each row. */
  completions: number[][];
}

/** The figures kept of a repeated run; all else is as in the first. */
export interface RepeatedRequest {
  status: 'ok';
  times: { started: Nanoseconds; lastToken: Nanoseconds };
  stages: StageTimes[];
  work: StageTimes['work'];
  /** KV cache held until `close`. */
  heldBytes: Bytes;
  /** Gives back the memory that it ran in. */
  close(): void;
}

export interface UnfinishedRequest {
  status: 'failed';
  code: FailureCode;
  message: string;
  times: { started: Nanoseconds; firstToken: Nanoseconds | null; lastToken: Nanoseconds | null };
}

/** The function that runs each type of stage. */
const runners: {
  [Type in PolicyType]: (policy: PolicyOf<Type>, state: RequestState) => Promise<void> | void;
} = {
  tokenization: runTokenization,
  safety: runSafety,
  retrieval: runRetrieval,
  prefill: runPrefill,
  reasoning: runReasoning,
  decode: runDecode,
  detokenization: runDetokenization,
};

/**
 * Runs one request through the stages of its pipeline. Never throws: a request that fails is an outcome,
 * with the code of what failed it, among them `context-exceeded`, `nan-logits`, `deadline-exceeded` and
 * `interrupted`.
 */
export async function runRequest(
  input: RequestInput,
  chat: LoadedModel,
  instruments: Instruments,
  control: RequestControl,
  resources: Resources = new Resources(),
): Promise<FinishedRequest | UnfinishedRequest> {
  return runThrough(input, chat, instruments, control, resources, (state) => {
    const finished = finishedRequest(state);
    state.meter.close();
    return finished;
  });
}

/**
 * The same once more, for its times. Accounts are not drawn up, and its memory is left to be given back: among
 * the runs of a request that takes a few ms, both would be a good part of what lies between them.
 */
export async function repeatRequest(
  input: RequestInput,
  chat: LoadedModel,
  instruments: Instruments,
  control: RequestControl,
  resources: Resources,
): Promise<RepeatedRequest | UnfinishedRequest> {
  return runThrough(input, chat, instruments, control, resources, ({ ledger, tokenTimesNs, meter }) => ({
    status: 'ok',
    times: { started: ledger.startedNs, lastToken: tokenTimesNs.at(-1)! },
    stages: ledger.stageTimes,
    work: { cpuTime: ledger.cpuTime },
    heldBytes: ledger.heldBytes,
    close: () => meter.close(),
  }));
}

/** `outcomeOf` makes the outcome of a request that went through all its stages, and holds the memory they ran in. */
async function runThrough<Outcome>(
  input: RequestInput,
  chat: LoadedModel,
  instruments: Instruments,
  control: RequestControl,
  resources: Resources,
  outcomeOf: (state: RequestState) => Outcome,
): Promise<Outcome | UnfinishedRequest> {
  const ledger = new Ledger(instruments);
  let state: RequestState | null = null;
  try {
    state = beginRequest(input, chat, resources, ledger, instruments, control);
    await runStages(state);
    return outcomeOf(state);
  } catch (thrown) {
    state?.meter.close();
    return {
      status: 'failed',
      ...failureOf(thrown, control.stopRequested()),
      times: {
        started: ledger.startedNs,
        firstToken: state?.tokenTimesNs[0] ?? null,
        lastToken: state?.tokenTimesNs.at(-1) ?? null,
      },
    };
  } finally {
    state?.cachedPrefix?.match.release();
  }
}

/**
 * Brings what the request finds on this worker into the state that its pipeline says: on a server, other
 * requests would have. Returns whether there was anything to do. Throws what running the model throws.
 */
export async function prepareRequest(
  { prompt, completionTokens, pipeline = plainChat }: RequestInput,
  chat: LoadedModel,
  resources: Resources,
): Promise<boolean> {
  const retrieval = policyOf(pipeline, 'retrieval');
  const listed = policyOf(pipeline, 'safety') !== undefined && resources.prepareWordList();
  const stored = retrieval !== undefined && prepareHistory(retrieval, { pipeline, resources });
  const policy = policyOf(pipeline, 'prefill');
  if (policy === undefined || (policy.cache === 'none' && policy.historyTurns === 0)) return listed || stored;
  const promptIds = tokenize(prompt, chat.tokenizer, chat.decoder.vocabulary);
  const source = { pipeline, chat, resources, promptIds, completionTokens, retrieved: null };
  const talked = await prepareConversation(policy, source);
  if (policy.cache === 'none') return listed || stored || talked;
  await preparePrefix(policy, source);
  return true;
}

async function runStages(state: RequestState): Promise<void> {
  const { pipeline } = state;
  for (const policy of pipeline.stages) {
    await runStage(policy, state);
    if (policy.type === 'tokenization') {
      const reasoning = policyOf(pipeline, 'reasoning');
      if (reasoning) state.reasoningTokens = reasoningTokensOf(reasoning, state);
    }
  }
}

function finishedRequest({ ledger, tokenTimesNs, usage, completions }: RequestState): FinishedRequest {
  const { endedNs, ...accounts } = ledger.accounts(usage);
  return {
    status: 'ok',
    times: {
      started: ledger.startedNs,
      firstToken: tokenTimesNs[0]!,
      lastToken: tokenTimesNs.at(-1)!,
      ended: endedNs,
    },
    tokenGapsNs: tokenTimesNs.slice(1).map((timeNs, index) => timeNs - tokenTimesNs[index]!),
    completions,
    ...accounts,
  };
}

async function runStage<Type extends PolicyType>(policy: PolicyOf<Type>, state: RequestState): Promise<void> {
  await (runners[policy.type] as (policy: StagePolicy, state: RequestState) => Promise<void> | void)(
    policy,
    state,
  );
}

function failureOf(thrown: unknown, stopRequested: boolean): Pick<UnfinishedRequest, 'code' | 'message'> {
  if (!(thrown instanceof TokenworkError)) return { code: 'request-failed', message: messageOf(thrown) };
  if (thrown.code !== 'terminated') return { code: thrown.code, message: thrown.message };
  return stopRequested
    ? { code: 'interrupted', message: 'The run was stopped.' }
    : { code: 'deadline-exceeded', message: 'The request did not finish before its deadline.' };
}
