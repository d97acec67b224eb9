import { describe, expect, it } from 'vitest';
import type { GenerateRequest, ProbeAnswer } from '../endpoint.js';
import { sglang } from './sglang.js';

const ok = (body: unknown): ProbeAnswer => ({ status: 200, headers: {}, body });
const request: GenerateRequest = {
  prompt: { kind: 'ids', ids: [1, 403, 407] },
  ...{ maxTokens: 5, ignoreEos: true, temperature: 0, topK: null, seed: 7, cachePrompt: true },
};

describe('the dialect of SGLang', () => {
  // Fields of server_args by http_server.py of summer 2026.
  const info = {
    ...{ model_path: '/models/Qwen3-8B', host: '0.0.0.0', port: 30000, api_key: 'sk-secret', dtype: 'auto' },
    ...{ context_length: 32768, max_running_requests: 2048, disable_radix_cache: false, tp_size: 1 },
    ...{ kv_cache_dtype: 'auto', quantization: null, enable_cache_report: false, version: '0.5.6' },
    internal_states: [{ waiting_queue_size: 0 }],
  };

  it.each(['/server_info', '/get_server_info'])('describes itself by %s, without keys and hosts', (path) => {
    const answers = new Map([[path, ok(info)]]);
    expect(sglang.recognises(answers)).toBe(true);
    expect(sglang.describe(answers, 'Qwen3-8B')).toEqual({
      ...{ version: '0.5.6', contextLength: 32768, slots: 2048, promptCache: true, dtype: 'auto' },
      ...{ vocabulary: null, parameters: null },
      settings: { kv_cache_dtype: 'auto', tp_size: 1, enable_cache_report: false },
      absent: {
        vocabulary: 'the server tells it by no request',
        parameters: 'the server tells it by no request',
      },
    });
  });

  it('sends ids to its own API, which counts what was cached without being started for it', () => {
    expect(sglang.exchange(request, 'completions', 'm')).toEqual({
      path: '/generate',
      framing: 'sse',
      body: {
        ...{ input_ids: [1, 403, 407], stream: true },
        sampling_params: { max_new_tokens: 5, temperature: 0, ignore_eos: true },
      },
    });
    const drawn = { ...request, temperature: 0.8, topK: 40 };
    expect(sglang.exchange(drawn, 'completions', 'm').body.sampling_params).toMatchObject({
      ...{ top_k: 40, sampling_seed: 7 },
    });
  });

  // Events by tokenizer_manager.py of summer 2026.
  const event = (finish: object | null, more: object = {}) => ({
    text: ' a time',
    output_ids: [378],
    meta_info: {
      ...{ id: 'x', finish_reason: finish, prompt_tokens: 12, completion_tokens: 2, cached_tokens: 0 },
      ...more,
    },
  });

  it('reads counts and the reason of the end out of meta_info', () => {
    expect(sglang.read(event(null))).toMatchObject({
      ...{ text: ' a time', tokensSoFar: 2, finishReason: null, error: null },
      usage: { prompt: 12, completion: 2, cached: 0, reasoning: null, from: 'native' },
    });
    expect(sglang.read(event({ type: 'length', length: 2 })).finishReason).toBe('length');
    const aborted = sglang.read(event({ type: 'abort', message: 'out of memory', status_code: 500 }));
    expect(aborted.error).toBe('out of memory');
  });

  it('reads drafts by their names of then and now, and the time in the queue, which is in seconds', () => {
    const now = sglang.read(event(null, { spec_num_proposed_drafts: 9, spec_num_correct_drafts: 4 }));
    const then = sglang.read(event(null, { spec_draft_token_num: 9, spec_accept_token_num: 4 }));
    for (const { usage } of [now, then]) expect(usage).toMatchObject({ drafted: 9, accepted: 4 });
    expect(sglang.read(event(null, { queue_time: 0.0015 })).times!.queued).toBe(1_500_000);
  });

  // By usage_processor.py of summer 2026: the details are left out where nothing was cached.
  it('takes reasoning tokens from the top of the usage of a chat, and no absent detail for 0', () => {
    const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17, reasoning_tokens: 3 };
    expect(sglang.read({ choices: [], usage })).toMatchObject({
      tokensSoFar: 5,
      usage: { prompt: 12, completion: 5, cached: null, reasoning: 3, from: 'usage' },
    });
    const details = {
      prompt_tokens_details: { cached_tokens: 8 },
      completion_tokens_details: { accepted_prediction_tokens: 4, rejected_prediction_tokens: 5 },
    };
    expect(sglang.read({ choices: [], usage: { ...usage, ...details } }).usage).toMatchObject({
      ...{ cached: 8, drafted: 9, accepted: 4 },
    });
    const sglext = { choices: [], usage: null, sglext: { cached_tokens_details: { device: 8, host: 0 } } };
    expect(sglang.read(sglext)).toMatchObject({ text: '', usage: null, error: null });
  });
});
