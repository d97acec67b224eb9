/**
 * Plays the servers of all dialects by their documented forms: what they answer to probes and to the tokenizer, and the
 * raw text of their streams, framing included. A played token is a word; reasoning comes first, as in the originals.
 */
import type { ServerKind } from '../../../core/records/server.js';
import type { EndpointApi } from '../endpoint.js';

export interface PlayedCounts {
  prompt: number;
  /** ⊂ prompt. */
  cached: number;
  completion: number;
  /** ⊂ completion; in chats only, as the text of a completion is not parsed. */
  reasoning: number;
}

interface PlayedStream {
  headers: Record<string, string>;
  /** One event each. */
  chunks: string[];
}

export interface Player {
  /** The one served model. */
  model: string;
  /** Bodies by paths from the root that are answered to GET; all else is 404. Text where the body is a string. */
  answers: Record<string, unknown>;
  /** Paths from the root that generate. */
  paths: Record<EndpointApi, string>;
  stream(api: EndpointApi, counts: PlayedCounts): PlayedStream;
  /** What a path of the tokenizer answers to a body; undefined: there is none. Each word is a token. */
  tokenize(path: string, body: Record<string, unknown>): unknown;
}

/** An answer as the scripts of `played-server.test-support.ts` have it. */
interface ScriptedAnswer {
  headers?: Record<string, string>;
  body?: unknown;
  pieces?: string[];
}

/** All that a server answers when each request has these counts, as a script of `played-server.test-support.ts`. */
export function scriptOf({ answers, paths, stream, tokenize }: Player, counts: PlayedCounts) {
  const script: Record<string, ScriptedAnswer | ((request: { body: unknown }) => ScriptedAnswer)> = {};
  for (const [path, body] of Object.entries(answers)) script[`GET ${path}`] = { body };
  for (const path of ['/tokenize', '/apply-template', '/chat_tokenize'])
    if (tokenize(path, { messages: [] }) !== undefined)
      script[`POST ${path}`] = ({ body }) => ({ body: tokenize(path, body as Record<string, unknown>) });
  for (const api of ['chat', 'completions'] as const) {
    const { headers, chunks } = stream(api, counts);
    script[`POST ${paths[api]}`] = { headers, pieces: chunks };
  }
  return script;
}

type Said = { text: string; reasoning: string; soFar: number; isLast: boolean };

const model = 'played';
const id = 'played-1';
const sse = (event: unknown, space = '') => `data: ${JSON.stringify(event)}${space}\n\n`;
const done = 'data: [DONE]\n\n';
const eventStream = { 'content-type': 'text/event-stream' };
const openAiPaths = { chat: '/v1/chat/completions', completions: '/v1/completions' };
const models = (entry: object) => ({
  object: 'list',
  data: [{ id: model, object: 'model', created: 1, ...entry }],
});
const idsOf = (words: string) => words.split(/\s+/).flatMap((word, at) => (word === '' ? [] : [at + 3]));
const wordsOf = (messages: unknown) =>
  (messages as { role: string; content: string }[])
    .map(({ role, content }) => `${role} ${content}`)
    .join(' ');

/** Each token of an answer. */
function said(api: EndpointApi, { completion, reasoning }: PlayedCounts): Said[] {
  return Array.from({ length: completion }, (_, at) => {
    const isReasoning = api === 'chat' && at < reasoning;
    const word = ` w${at}`;
    return {
      ...{ text: isReasoning ? '' : word, reasoning: isReasoning ? word : '' },
      ...{ soFar: at + 1, isLast: at + 1 === completion },
    };
  });
}

const usage = ({ prompt, completion }: PlayedCounts, details: object = {}) => ({
  ...{ prompt_tokens: prompt, total_tokens: prompt + completion, completion_tokens: completion },
  ...details,
});

interface OpenAiForm {
  /** The delta's field of reasoning. */
  reasoning: 'reasoning' | 'reasoning_content';
  finishesWithLastToken: boolean;
  /** Fields of every event beside `choices`. */
  each?(counts: PlayedCounts): object;
  /** Of the final usage. */
  details(counts: PlayedCounts): object;
  /** Of the last event beside its usage. */
  last?(counts: PlayedCounts): object;
  /** Between an event and its end of line: TensorRT-LLM sends one in the first event. */
  firstSpace?: string;
}

function openAiStream(api: EndpointApi, counts: PlayedCounts, form: OpenAiForm): PlayedStream {
  const event = (choices: object[], more: object = {}) => ({ id, model, created: 1, choices, ...more });
  const choice = (content: object, finish: string | null) => ({
    index: 0,
    ...content,
    finish_reason: finish,
  });
  const each = (completion: number) => form.each?.({ ...counts, completion }) ?? {};
  const tokens = said(api, counts).map((token) => {
    const delta = token.reasoning === '' ? { content: token.text } : { [form.reasoning]: token.reasoning };
    const finish = token.isLast && form.finishesWithLastToken ? 'length' : null;
    return sse(event([choice(api === 'chat' ? { delta } : { text: token.text }, finish)], each(token.soFar)));
  });
  const role = event([choice({ delta: { role: 'assistant', content: '' } }, null)], each(0));
  const end = choice(api === 'chat' ? { delta: {} } : { text: '' }, 'length');
  return {
    headers: eventStream,
    chunks: [
      ...(api === 'chat' ? [sse(role, form.firstSpace)] : []),
      ...tokens,
      ...(form.finishesWithLastToken ? [] : [sse(event([end], each(counts.completion)))]),
      sse(event([], { usage: usage(counts, form.details(counts)), ...form.last?.(counts) })),
      done,
    ],
  };
}

const cachedTokens = ({ cached }: PlayedCounts) => ({ prompt_tokens_details: { cached_tokens: cached } });

const timings = ({ prompt, cached, completion }: PlayedCounts) => ({
  timings: {
    ...{ cache_n: cached, prompt_n: prompt - cached, prompt_ms: 2 * (prompt - cached) },
    ...{ predicted_n: completion, predicted_ms: 5 * completion },
  },
});

const llamaServer: Player = {
  model,
  answers: {
    '/props': {
      default_generation_settings: { params: { 'speculative.types': 'none' }, n_ctx: 4096 },
      ...{ total_slots: 4, model_path: '/srv/models/played.gguf', model_ftype: 'Q4_K - Medium' },
      ...{ chat_template: '{{ messages }}', build_info: 'b11669-played' },
    },
    '/slots': [0, 1, 2, 3].map((slot) => ({ id: slot, n_ctx: 4096, is_processing: false })),
    '/v1/models': models({
      owned_by: 'llamacpp',
      meta: { n_vocab: 32000, n_ctx_train: 8192, n_params: 1e9, size: 6e8 },
    }),
  },
  paths: openAiPaths,
  stream: (api, counts) =>
    openAiStream(api, counts, {
      ...{ reasoning: 'reasoning_content', finishesWithLastToken: false },
      ...{ each: timings, details: cachedTokens, last: timings },
    }),
  tokenize(path, body) {
    if (path === '/apply-template') return { prompt: wordsOf(body.messages) };
    return path === '/tokenize' ? { tokens: [1, ...idsOf(String(body.content))] } : undefined;
  },
};

const runningUsage = (counts: PlayedCounts) => ({ usage: usage(counts) });

const vllm: Player = {
  model,
  answers: {
    '/version': { version: '0.19.0' },
    '/v1/models': models({ owned_by: 'vllm', root: '/srv/models/played', max_model_len: 8192 }),
    '/metrics': [
      '# TYPE vllm:cache_config_info gauge',
      'vllm:cache_config_info{block_size="16",cache_dtype="auto",enable_prefix_caching="True",engine="0"} 1.0',
      '',
    ].join('\n'),
  },
  paths: openAiPaths,
  // As started with --enable-prompt-tokens-details and --enable-per-request-metrics.
  stream: (api, counts) =>
    openAiStream(api, counts, {
      ...{ reasoning: 'reasoning', finishesWithLastToken: true, each: runningUsage },
      details: (of) => ({
        ...cachedTokens(of),
        ...(of.reasoning > 0 ? { completion_tokens_details: { reasoning_tokens: of.reasoning } } : {}),
      }),
      last: () => ({ metrics: { queue_time_ms: 1, time_to_first_token_ms: 20, generation_time_ms: 80 } }),
    }),
  tokenize: (path, { prompt, messages }) =>
    path === '/tokenize'
      ? countedTokens(messages === undefined ? String(prompt) : wordsOf(messages))
      : undefined,
};

function countedTokens(words: string): object {
  const tokens = idsOf(words);
  return { tokens, count: tokens.length, max_model_len: 8192 };
}

const sglang: Player = {
  model,
  answers: {
    '/server_info': {
      ...{ model_path: '/srv/models/played', host: '0.0.0.0', api_key: 'secret', dtype: 'bfloat16' },
      ...{ context_length: null, max_running_requests: 64, disable_radix_cache: false, tp_size: 1 },
      ...{ enable_cache_report: false, version: '0.5.6', internal_states: [] },
    },
    '/v1/models': models({ owned_by: 'sglang', root: '/srv/models/played', max_model_len: 8192 }),
  },
  paths: { chat: openAiPaths.chat, completions: '/generate' },
  stream(api, counts) {
    if (api === 'chat')
      return openAiStream(api, counts, {
        ...{ reasoning: 'reasoning_content', finishesWithLastToken: false, each: runningUsage },
        details: ({ reasoning }) => ({ reasoning_tokens: reasoning }),
      });
    const tokens = said(api, counts);
    const events = tokens.map(({ soFar, isLast }) => ({
      // What was said so far, each time.
      text: tokens
        .slice(0, soFar)
        .map(({ text }) => text)
        .join(''),
      output_ids: [soFar + 2],
      meta_info: {
        ...{ id, finish_reason: isLast ? { type: 'length', length: counts.completion } : null },
        ...{ prompt_tokens: counts.prompt, cached_tokens: counts.cached, completion_tokens: soFar },
        reasoning_tokens: 0,
      },
    }));
    return { headers: eventStream, chunks: [...events.map((event) => sse(event)), done] };
  },
  tokenize: (path, { prompt }) => (path === '/tokenize' ? countedTokens(String(prompt)) : undefined),
};

const ollama: Player = {
  model,
  answers: {
    '/api/version': { version: '0.33.3' },
    '/api/tags': { models: [{ name: model, model, details: { quantization_level: 'Q4_K_M' } }] },
    '/api/ps': {
      models: [
        {
          ...{ name: model, model, context_length: 4096, size_vram: 0 },
          details: { format: 'gguf', family: 'llama', parameter_size: '1.2B', quantization_level: 'Q4_K_M' },
        },
      ],
    },
    '/v1/models': models({ owned_by: 'library' }),
  },
  paths: { chat: '/api/chat', completions: '/api/generate' },
  stream(api, counts) {
    const content = ({ text, reasoning }: Pick<Said, 'text' | 'reasoning'>) => {
      const thinking = reasoning === '' ? {} : { thinking: reasoning };
      return api === 'chat'
        ? { message: { role: 'assistant', content: text, ...thinking } }
        : { response: text, ...thinking };
    };
    const line = (event: object) =>
      `${JSON.stringify({ model, created_at: '2026-11-28T00:00:00Z', ...event })}\n`;
    return {
      headers: { 'content-type': 'application/x-ndjson' },
      chunks: [
        ...said(api, counts).map((token) => line({ ...content(token), done: false })),
        line({
          ...content({ text: '', reasoning: '' }),
          ...{ done: true, done_reason: 'length', total_duration: 3e8, load_duration: 1e6 },
          ...{ prompt_eval_count: counts.prompt, prompt_eval_cached_count: counts.cached },
          ...{ prompt_eval_duration: 2e6, eval_count: counts.completion, eval_duration: 5e6 },
        }),
      ],
    };
  },
  tokenize: () => undefined,
};

const tgi: Player = {
  model,
  answers: {
    '/info': {
      ...{ model_id: model, model_sha: null, model_pipeline_tag: 'text-generation' },
      ...{ max_concurrent_requests: 128, max_best_of: 2, max_stop_sequences: 4, max_input_tokens: 4095 },
      ...{ max_total_tokens: 4096, validation_workers: 2, max_client_batch_size: 4 },
      ...{ router: 'text-generation-router', version: '3.3.4', sha: null, docker_label: null },
    },
    '/v1/models': models({ owned_by: model }),
  },
  paths: { chat: openAiPaths.chat, completions: '/generate_stream' },
  stream(api, counts) {
    const headers = { ...eventStream, 'x-compute-type': '1-played', 'x-compute-characters': '12' };
    if (api === 'chat') {
      // It parses no reasoning: all is the answer.
      const { chunks } = openAiStream(
        api,
        { ...counts, reasoning: 0 },
        {
          ...{ reasoning: 'reasoning_content', finishesWithLastToken: true, details: () => ({}) },
        },
      );
      return { headers, chunks };
    }
    const events = said(api, counts).map(({ text, soFar, isLast }) => ({
      ...{ index: soFar, token: { id: soFar + 2, text, logprob: -1, special: false } },
      generated_text: isLast ? 'all of it' : null,
      details: isLast
        ? { finish_reason: 'length', generated_tokens: soFar, seed: null, input_length: counts.prompt }
        : null,
    }));
    return { headers, chunks: events.map((event) => sse(event)) };
  },
  tokenize(path, { inputs, messages }) {
    const tokens = (words: string) =>
      idsOf(words).map((token) => ({ id: token, text: 'w', start: 0, stop: 1 }));
    if (path === '/tokenize') return tokens(String(inputs));
    const templated = path === '/chat_tokenize' ? wordsOf(messages) : null;
    return templated === null
      ? undefined
      : { tokenize_response: tokens(templated), templated_text: templated };
  },
};

const tensorrtLlm: Player = {
  model,
  answers: { '/version': { version: '1.2.0' }, '/v1/models': models({ owned_by: 'tensorrt_llm' }) },
  paths: openAiPaths,
  stream: (api, counts) =>
    openAiStream(api, counts, {
      ...{ reasoning: 'reasoning_content', finishesWithLastToken: true, firstSpace: ' ' },
      each: (of) => ({ usage: usage(of, cachedTokens(of)) }),
      details: cachedTokens,
    }),
  tokenize: () => undefined,
};

const openai: Player = {
  model,
  answers: { '/v1/models': models({ owned_by: 'somebody' }) },
  paths: openAiPaths,
  stream: (api, counts) =>
    openAiStream(api, counts, {
      ...{ reasoning: 'reasoning_content', finishesWithLastToken: false },
      details: (of) => ({
        ...cachedTokens(of),
        completion_tokens_details: { reasoning_tokens: of.reasoning },
      }),
    }),
  tokenize: () => undefined,
};

export const players: Readonly<Record<ServerKind, Player>> = {
  'llama.cpp': llamaServer,
  ...{ vllm, sglang, ollama, tgi, 'tensorrt-llm': tensorrtLlm, openai },
};
