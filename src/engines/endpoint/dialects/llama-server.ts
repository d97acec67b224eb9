/**
 * llama.cpp's `llama-server`, after its sources (tools/server/server-context.cpp, server-task.cpp) of September 2026
 * and the answers of Debian's build 11669.
 *
 * Traps. Without `include_usage` a streamed chat has no usage, but `timings` in its last chunk; a streamed completion
 * has both. `predicted_per_token_ms` divides by one token less than it generated, so no rate is taken from it. With
 * n = 2 it counts the tokens of one answer only: n is never sent. `/v1/messages` leaves what was cached out of
 * `input_tokens`: it is not used. Text that is no whole character waits for the next token, so that chunks are no tokens.
 */
import type { Dialect } from '../endpoint.js';
import {
  answered,
  description,
  isOwnedBy,
  limit,
  listedModel,
  settingsOf,
  versionAt,
} from './description.js';
import { count, field, fieldAt, fieldsOf, nanoseconds, textOrNull, tokenIds } from './fields.js';
import { openAiBody, openAiEvent, openAiPath, timesOf, usageOf } from './openai-events.js';
import { replicaOf } from './replica.js';

const nsPerMs = 1e6;

export const llamaServer: Dialect = {
  kind: 'llama.cpp',
  probes: ['/props', '/slots'],
  recognises: (answers) =>
    isOwnedBy(answers, 'llamacpp') ||
    fieldsOf(field(answered(answers, '/props'), 'default_generation_settings')) !== null,
  describe(answers, model) {
    const props = answered(answers, '/props');
    const meta = field(listedModel(answers, model), 'meta');
    const slots = answered(answers, '/slots');
    const told = {
      version: textOrNull(field(props, 'build_info')) ?? versionAt(answers, '/props'),
      // Of one slot: the server divides its context among them.
      contextLength: limit(fieldAt(props, 'default_generation_settings', 'n_ctx')),
      slots: limit(field(props, 'total_slots')) ?? (Array.isArray(slots) ? limit(slots.length) : null),
      promptCache: null,
      vocabulary: limit(field(meta, 'n_vocab')),
      parameters: limit(field(meta, 'n_params')),
      dtype: textOrNull(field(props, 'model_ftype')) ?? textOrNull(field(meta, 'ftype')),
    };
    const noMeta = '/v1/models has no meta of the model';
    const reasons = {
      version: '/props has no build_info',
      contextLength: '/props has no n_ctx',
      slots: '/props has no total_slots, and /slots is off',
      promptCache: 'each request says whether it may read the cache (cache_prompt)',
      vocabulary: noMeta,
      parameters: noMeta,
      dtype: '/props has no model_ftype',
    };
    return description(told, reasons, {
      ...settingsOf(props, ['model_path', 'is_sleeping']),
      ...settingsOf(meta, ['n_ctx_train', 'n_embd', 'size']),
      ...settingsOf(fieldAt(props, 'default_generation_settings', 'params'), ['speculative.types']),
      chat_template: textOrNull(field(props, 'chat_template')) !== null,
    });
  },
  takesIds: true,
  forcesLength: true,
  closesConnections: true,
  exchange: (request, api, model) => ({
    path: openAiPath[api],
    framing: 'sse',
    body: {
      ...openAiBody(request, api, model),
      ...(request.topK === null ? {} : { top_k: request.topK }),
      ignore_eos: request.ignoreEos,
      cache_prompt: request.cachePrompt,
      // Each chunk then says how many tokens there are by now.
      timings_per_token: true,
    },
  }),
  read(event) {
    const read = openAiEvent(event);
    const timings = field(event, 'timings');
    if (fieldsOf(timings) === null) return read;
    const cached = count(field(timings, 'cache_n'));
    const processed = count(field(timings, 'prompt_n'));
    const { usage } = read;
    read.usage = usageOf({
      // Builds without cache_n tell what was computed, not how long the prompt was.
      prompt: usage?.prompt ?? (cached === null || processed === null ? null : cached + processed),
      completion: usage?.completion ?? field(timings, 'predicted_n'),
      cached: usage?.cached ?? cached,
      reasoning: usage?.reasoning,
      drafted: field(timings, 'draft_n'),
      accepted: field(timings, 'draft_n_accepted'),
      from: usage?.from ?? 'native',
    });
    read.tokensSoFar = usage?.completion ?? count(field(timings, 'predicted_n'));
    read.times = timesOf({
      queued: null,
      prefill: nanoseconds(field(timings, 'prompt_ms'), nsPerMs),
      decode: nanoseconds(field(timings, 'predicted_ms'), nsPerMs),
    });
    return read;
  },
  readHeaders: (headers) => ({ usage: null, times: null, replica: replicaOf(headers) }),
  tokenizer: {
    text: (content) => ({ path: '/tokenize', body: { content, add_special: true, with_pieces: false } }),
    messages: (messages) => ({
      path: '/apply-template',
      body: { messages },
      promptIn: (answer) => textOrNull(field(answer, 'prompt')),
    }),
    ids: (answer) => tokenIds(field(answer, 'tokens')),
  },
};
