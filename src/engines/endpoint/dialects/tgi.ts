/**
 * Hugging Face's text-generation-inference, after router/src/{server,lib}.rs of 3.3.
 *
 * Texts go to its own `/generate_stream`, which sends one token an event, with its number. The headers `x-prompt-tokens`,
 * `x-generated-tokens` and `x-queue-time` are of answers that are not streamed: a stream's headers go before anything is
 * known. `x-inference-time` is prefill and decode together, and `x-time-per-token` a quotient in whole ms: neither is
 * taken. Nothing generates past the end of text, and prompts are text.
 */
import type { Dialect, EventReading, GenerateRequest } from '../endpoint.js';
import { answered, description, limit, settingsOf, versionAt } from './description.js';
import {
  count,
  field,
  fieldsOf,
  list,
  nanoseconds,
  numberInText,
  text,
  textOrNull,
  tokenIds,
} from './fields.js';
import { errorOf, openAiBody, openAiEvent, openAiPath, reading, timesOf, usageOf } from './openai-events.js';
import { replicaOf } from './replica.js';

const nsPerMs = 1e6;

export const tgi: Dialect = {
  kind: 'tgi',
  probes: ['/info'],
  // Hugging Face's server of embeddings answers /info too, but knows no best_of.
  recognises: (answers) => {
    const info = answered(answers, '/info');
    return textOrNull(field(info, 'model_id')) !== null && count(field(info, 'max_best_of')) !== null;
  },
  describe(answers) {
    const info = answered(answers, '/info');
    const told = {
      version: versionAt(answers, '/info'),
      contextLength: limit(field(info, 'max_total_tokens')),
      slots: limit(field(info, 'max_batch_size')),
      ...{ promptCache: null, vocabulary: null, parameters: null },
      dtype: textOrNull(field(info, 'model_dtype')),
    };
    const reasons = {
      version: '/info has none',
      contextLength: '/info has no max_total_tokens',
      slots: '/info has no max_batch_size: as many as its memory holds',
      promptCache: 'TGI tells PREFIX_CACHING by no request',
      dtype: '/info of this version has no model_dtype',
    };
    const names = ['max_concurrent_requests', 'max_input_tokens', 'max_batch_total_tokens', 'sha', 'router'];
    return description(told, reasons, settingsOf(info, names));
  },
  takesIds: false,
  forcesLength: false,
  exchange: (request, api, model) =>
    api === 'chat'
      ? { path: openAiPath[api], framing: 'sse', body: openAiBody(request, api, model) }
      : { path: '/generate_stream', framing: 'sse', body: nativeBody(request) },
  read: (event) => (fieldsOf(field(event, 'token')) === null ? openAiEvent(event) : readNative(event)),
  readHeaders(headers) {
    const header = (name: string) => numberInText(Object.hasOwn(headers, name) ? headers[name] : undefined);
    return {
      usage: usageOf({
        prompt: header('x-prompt-tokens'),
        completion: header('x-generated-tokens'),
        from: 'headers',
      }),
      times: timesOf({
        queued: nanoseconds(header('x-queue-time'), nsPerMs),
        ...{ prefill: null, decode: null },
      }),
      replica: replicaOf(headers),
    };
  },
  tokenizer: {
    text: (inputs) => ({ path: '/tokenize', body: { inputs } }),
    messages: (messages, model) => ({ path: '/chat_tokenize', body: { model, messages } }),
    ids(answer) {
      const tokens = Array.isArray(answer) ? answer : field(answer, 'tokenize_response');
      return Array.isArray(tokens) ? tokenIds(list(tokens).map((token) => field(token, 'id'))) : null;
    },
  },
};

function nativeBody({ prompt, ...request }: GenerateRequest): Record<string, unknown> {
  if (prompt.kind !== 'text') throw new Error('/generate_stream takes text only');
  return {
    inputs: prompt.text,
    parameters: {
      max_new_tokens: request.maxTokens,
      details: true,
      // It refuses a temperature of 0: greedy is said by not sampling.
      do_sample: request.temperature > 0,
      ...(request.temperature > 0 ? { temperature: request.temperature } : {}),
      ...(request.topK === null || request.temperature === 0 ? {} : { top_k: request.topK }),
      ...(request.seed === null ? {} : { seed: request.seed }),
    },
  };
}

function readNative(event: unknown): EventReading {
  const token = field(event, 'token');
  const details = field(event, 'details');
  return reading({
    // The end of text is a token, and none of the answer.
    text: field(token, 'special') === true ? '' : text(field(token, 'text')),
    tokensSoFar: count(field(event, 'index')),
    finishReason: textOrNull(field(details, 'finish_reason')),
    usage: usageOf({
      prompt: field(details, 'input_length'),
      completion: field(details, 'generated_tokens'),
      from: 'native',
    }),
    error: errorOf(event),
    isLast: fieldsOf(details) !== null,
  });
}
