/**
 * SGLang, after python/sglang/srt/entrypoints of its main branch in summer 2026 (openai/{protocol,usage_processor,
 * serving_completions}.py, http_server.py).
 *
 * Ids and texts go to its own `/generate`, whose `meta_info` counts what was cached in every event. OpenAI's form,
 * which chats need, counts it with --enable-cache-report only, and leaves 0 out even then, as `sglext` does.
 *
 * Traps. The text of `/generate` repeats what came before unless the server runs with --incremental-streaming-output,
 * so that a stream grows with the square of the answer's length (SGLang's own benchmark bears it too).
 * `reasoning_tokens` stands at the top of `usage`, and is 0 too where no reasoning parser counts them. `/server_info` holds keys, hosts and
 * paths: only the settings named here are taken from it.
 */
import type { Dialect, EventReading, GenerateRequest } from '../endpoint.js';
import { answered, description, isOwnedBy, limit, listedModel, settingsOf } from './description.js';
import { count, field, fieldsOf, nanoseconds, text, textOrNull, tokenIds } from './fields.js';
import {
  engineExchange,
  errorOf,
  openAiEvent,
  reading,
  runningUsage,
  timesOf,
  usageOf,
} from './openai-events.js';
import { replicaOf } from './replica.js';

const settings = [
  ...['kv_cache_dtype', 'quantization', 'tp_size', 'dp_size', 'page_size', 'mem_fraction_static'],
  ...['max_total_num_tokens', 'chunked_prefill_size', 'schedule_policy', 'attention_backend'],
  ...['speculative_algorithm', 'enable_cache_report', 'disable_overlap_schedule'],
];

const serverInfo = (answers: Parameters<Dialect['recognises']>[0]) =>
  answered(answers, '/server_info') ?? answered(answers, '/get_server_info');

export const sglang: Dialect = {
  kind: 'sglang',
  // The second is the name of old, which is deprecated.
  probes: ['/server_info', '/get_server_info'],
  recognises: (answers) =>
    isOwnedBy(answers, 'sglang') || typeof field(serverInfo(answers), 'disable_radix_cache') === 'boolean',
  describe(answers, model) {
    const info = serverInfo(answers);
    const withoutCache = field(info, 'disable_radix_cache');
    const told = {
      version: textOrNull(field(info, 'version')),
      contextLength:
        limit(field(listedModel(answers, model), 'max_model_len')) ?? limit(field(info, 'context_length')),
      slots: limit(field(info, 'max_running_requests')),
      promptCache: typeof withoutCache === 'boolean' ? !withoutCache : null,
      ...{ vocabulary: null, parameters: null },
      dtype: textOrNull(field(info, 'dtype')),
    };
    const noInfo = '/server_info does not tell it';
    const reasons = {
      version: noInfo,
      contextLength: 'neither /v1/models nor /server_info tells it',
      slots: '/server_info has no max_running_requests: as many as its memory holds',
      promptCache: noInfo,
      dtype: noInfo,
    };
    return description(told, reasons, settingsOf(info, settings));
  },
  takesIds: true,
  forcesLength: true,
  exchange(request, api, model) {
    if (api === 'completions') return { path: '/generate', framing: 'sse', body: nativeBody(request) };
    return engineExchange(request, api, model, runningUsage);
  },
  read: (event) => (fieldsOf(field(event, 'meta_info')) === null ? readOpenAi(event) : readNative(event)),
  readHeaders: (headers) => ({ usage: null, times: null, replica: replicaOf(headers) }),
  tokenizer: {
    text: (prompt, model) => ({ path: '/tokenize', body: { model, prompt, add_special_tokens: true } }),
    messages: null,
    ids: (answer) => tokenIds(field(answer, 'tokens')),
  },
};

function nativeBody({ prompt, ...request }: GenerateRequest): Record<string, unknown> {
  if (prompt.kind === 'messages') throw new Error('/generate takes no messages');
  return {
    ...(prompt.kind === 'ids' ? { input_ids: prompt.ids } : { text: prompt.text }),
    stream: true,
    sampling_params: {
      max_new_tokens: request.maxTokens,
      temperature: request.temperature,
      ignore_eos: request.ignoreEos,
      ...(request.topK === null ? {} : { top_k: request.topK }),
      // Older servers refuse it, and nothing is drawn at temperature 0.
      ...(request.seed === null || request.temperature === 0 ? {} : { sampling_seed: request.seed }),
    },
  };
}

function readNative(event: unknown): EventReading {
  const info = field(event, 'meta_info');
  const finish = field(info, 'finish_reason');
  const finishReason = textOrNull(finish) ?? textOrNull(field(finish, 'type'));
  const usage = usageOf({
    prompt: field(info, 'prompt_tokens'),
    completion: field(info, 'completion_tokens'),
    cached: field(info, 'cached_tokens'),
    reasoning: field(info, 'reasoning_tokens'),
    drafted: firstOf(info, ['spec_num_proposed_drafts', 'spec_proposed_drafts', 'spec_draft_token_num']),
    accepted: firstOf(info, ['spec_num_correct_drafts', 'spec_accepted_drafts', 'spec_accept_token_num']),
    from: 'native',
  });
  const abortion = finishReason === 'abort' ? text(field(finish, 'message')) || 'aborted' : null;
  return reading({
    text: text(field(event, 'text')),
    tokensSoFar: usage?.completion ?? null,
    ...{ finishReason, usage },
    times: timesOf({ queued: nanoseconds(field(info, 'queue_time'), 1e9), prefill: null, decode: null }),
    error: errorOf(event) ?? abortion,
  });
}

/** The first of several names that a field had in the course of time. */
const firstOf = (fields: unknown, names: readonly string[]) =>
  names.map((name) => field(fields, name)).find((value) => value !== undefined);

function readOpenAi(event: unknown): EventReading {
  const read = openAiEvent(event);
  if (read.usage === null) return read;
  const told = field(event, 'usage');
  const details = field(told, 'completion_tokens_details');
  // Draft tokens, by names that OpenAI has for predictions that the client sends.
  const accepted = count(field(details, 'accepted_prediction_tokens'));
  const rejected = count(field(details, 'rejected_prediction_tokens'));
  read.tokensSoFar = read.usage.completion;
  read.usage = usageOf({
    ...read.usage,
    reasoning: field(told, 'reasoning_tokens') ?? read.usage.reasoning,
    drafted: accepted === null || rejected === null ? null : accepted + rejected,
    accepted,
  });
  return read;
}
