/**
 * vLLM with its v1 engine, after vllm/entrypoints of its main branch in October 2026 (completion/serving.py,
 * generate/base/{protocol,serving}.py, serve/tokenize/protocol.py). Older versions have no `metrics`.
 *
 * Traps. `cached_tokens` is there with --enable-prompt-tokens-details only, so its absence is no 0. `metrics` of a
 * request wants --enable-per-request-metrics. A chunk holds as many tokens as were ready (speculative decoding,
 * --stream-interval), so they are counted by continuous usage.
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
import { field, fieldsOf, nanoseconds, tokenIds } from './fields.js';
import { engineExchange, openAiEvent, runningUsage, timesOf, usageOf } from './openai-events.js';
import { replicaOf } from './replica.js';

const nsPerMs = 1e6;

/** Labels of `vllm:cache_config_info`, where Prometheus is told the settings of the cache. */
function cacheConfig(metrics: unknown): Record<string, string> {
  if (typeof metrics !== 'string') return {};
  const labels = /^vllm:cache_config_info\{([^\n]*)\}/m.exec(metrics)?.[1] ?? '';
  const pairs = labels.matchAll(/([a-z_]{1,64})="([^"\\]{0,64})"/g);
  return Object.fromEntries([...pairs].map(([, name, value]) => [name!, value!]));
}

export const vllm: Dialect = {
  kind: 'vllm',
  probes: ['/version', '/metrics'],
  recognises: (answers) =>
    isOwnedBy(answers, 'vllm') || Object.keys(cacheConfig(answered(answers, '/metrics'))).length > 0,
  describe(answers, model) {
    const cache = cacheConfig(answered(answers, '/metrics'));
    const prefixes = cache.enable_prefix_caching?.toLowerCase();
    const told = {
      version: versionAt(answers, '/version'),
      contextLength: limit(field(listedModel(answers, model), 'max_model_len')),
      slots: null,
      promptCache: prefixes === 'true' ? true : prefixes === 'false' ? false : null,
      ...{ vocabulary: null, parameters: null, dtype: null },
    };
    const reasons = {
      version: '/version has none',
      contextLength: '/v1/models has no max_model_len',
      slots: 'vLLM tells --max-num-seqs by no request',
      promptCache: '/metrics has no vllm:cache_config_info with enable_prefix_caching',
    };
    return description(
      told,
      reasons,
      settingsOf(cache, ['block_size', 'cache_dtype', 'num_gpu_blocks', 'gpu_memory_utilization']),
    );
  },
  takesIds: true,
  forcesLength: true,
  exchange: (request, api, model) => engineExchange(request, api, model, runningUsage),
  read(event) {
    const read = openAiEvent(event);
    read.tokensSoFar = read.usage?.completion ?? null;
    const metrics = field(event, 'metrics');
    if (fieldsOf(metrics) === null) return read;
    const drafts = field(metrics, 'speculative_decoding');
    if (read.usage !== null)
      read.usage = usageOf({
        ...read.usage,
        drafted: field(drafts, 'num_draft_tokens'),
        accepted: field(drafts, 'num_accepted_draft_tokens'),
      });
    read.times = timesOf({
      queued: nanoseconds(field(metrics, 'queue_time_ms'), nsPerMs),
      // From when it was scheduled, as the queue has its own time.
      prefill: nanoseconds(field(metrics, 'time_to_first_token_ms'), nsPerMs),
      decode: nanoseconds(field(metrics, 'generation_time_ms'), nsPerMs),
    });
    return read;
  },
  readHeaders: (headers) => ({ usage: null, times: null, replica: replicaOf(headers) }),
  tokenizer: {
    text: (prompt, model) => ({ path: '/tokenize', body: { model, prompt, add_special_tokens: true } }),
    messages: (messages, model) => ({
      path: '/tokenize',
      body: { model, messages, add_generation_prompt: true },
    }),
    ids: (answer) => tokenIds(field(answer, 'tokens')),
  },
};
