import { describe, expect, it } from 'vitest';
import type { GenerateRequest, ProbeAnswer } from '../endpoint.js';
import { vllm } from './vllm.js';

const ok = (body: unknown): ProbeAnswer => ({ status: 200, headers: {}, body });
const request: GenerateRequest = {
  prompt: { kind: 'ids', ids: [1, 403, 407] },
  ...{ maxTokens: 5, ignoreEos: true, temperature: 0, topK: null, seed: 7, cachePrompt: true },
};
const usage = { prompt_tokens: 12, total_tokens: 15, completion_tokens: 3 };

describe('the dialect of vLLM', () => {
  // The line of /metrics is of a served Qwen3-32B, as published with its measurement; the rest by ModelCard of vLLM.
  const answers = new Map([
    ['/version', ok({ version: '0.19.0' })],
    [
      '/v1/models',
      ok({
        data: [{ id: 'qwen3-32b', owned_by: 'vllm', root: '/models/qwen3-32b', max_model_len: 8192 }],
      }),
    ],
    [
      '/metrics',
      ok(
        [
          '# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig',
          'vllm:cache_config_info{block_size="16",cache_dtype="auto",calculate_kv_scales="False",cpu_offload_gb="0",enable_prefix_caching="True",gpu_memory_utilization="0.82",is_attention_free="False",num_cpu_blocks="1024",num_gpu_blocks="573",num_gpu_blocks_override="None",sliding_window="None",swap_space_bytes="4294967296"} 1.0',
        ].join('\n'),
      ),
    ],
  ]);

  it('takes context from /v1/models and the prefix cache from the labels of /metrics', () => {
    expect(vllm.recognises(answers)).toBe(true);
    expect(vllm.describe(answers, 'qwen3-32b')).toMatchObject({
      ...{ version: '0.19.0', contextLength: 8192, slots: null, promptCache: true },
      settings: { block_size: '16', cache_dtype: 'auto', num_gpu_blocks: '573' },
      absent: { slots: 'vLLM tells --max-num-seqs by no request' },
    });
  });

  it.each([
    ['enable_prefix_caching="False"', false],
    ['enable_prefix_caching="None"', null],
    ['block_size="16"', null],
  ])('reads %s as %s', (label, cache) => {
    const metrics = new Map([['/metrics', ok(`vllm:cache_config_info{${label}} 1.0\n`)]]);
    expect(vllm.recognises(metrics)).toBe(true);
    expect(vllm.describe(metrics, 'm').promptCache).toBe(cache);
  });

  it('sends token ids, asks for running counts, and names no field that is left to the server', () => {
    expect(vllm.exchange(request, 'completions', 'm')).toEqual({
      path: 'completions',
      framing: 'sse',
      body: {
        ...{ model: 'm', prompt: [1, 403, 407], max_tokens: 5, temperature: 0, seed: 7, stream: true },
        ...{ ignore_eos: true, stream_options: { include_usage: true, continuous_usage_stats: true } },
      },
    });
    const other = { ...request, prompt: { kind: 'text' as const, text: 'hi' }, topK: 40, seed: null };
    const { body, path } = vllm.exchange(other, 'chat', 'm');
    expect(path).toBe('chat/completions');
    expect(body).toMatchObject({ messages: [{ role: 'user', content: 'hi' }], top_k: 40 });
    expect(body).not.toHaveProperty('seed');
  });

  // Forms by completion/serving.py and chat_completion/serving.py of October 2026.
  it('counts the tokens of a chunk by its running usage, whatever their number', () => {
    const chunk = vllm.read({
      choices: [{ index: 0, text: ' upon a time', finish_reason: null }],
      usage,
    });
    expect(chunk).toMatchObject({ text: ' upon a time', tokensSoFar: 3, finishReason: null });
  });

  it('takes no absent cached_tokens for 0: the server was started without --enable-prompt-tokens-details', () => {
    expect(vllm.read({ choices: [], usage }).usage).toMatchObject({
      prompt: 12,
      completion: 3,
      cached: null,
    });
    const told = { ...usage, prompt_tokens_details: { cached_tokens: 0 } };
    expect(vllm.read({ choices: [], usage: told }).usage!.cached).toBe(0);
  });

  it('takes times and drafts from the metrics of a request', () => {
    const metrics = {
      ...{ time_to_first_token_ms: 20.5, generation_time_ms: 80, queue_time_ms: 0.25, mean_itl_ms: 40 },
      speculative_decoding: { num_draft_tokens: 8, num_accepted_draft_tokens: 5, num_spec_steps: 2 },
    };
    const { times, usage: counts } = vllm.read({ choices: [], usage, metrics });
    expect(times).toEqual({ queued: 250_000, prefill: 20_500_000, decode: 80_000_000 });
    expect(counts).toMatchObject({ drafted: 8, accepted: 5 });
    expect(vllm.read({ choices: [], usage }).times).toBeNull();
  });

  it.each(['reasoning', 'reasoning_content'])('reads %s apart from the answer', (name) => {
    const thought = vllm.read({ choices: [{ index: 0, delta: { [name]: 'Hm' } }] });
    expect(thought).toMatchObject({ text: '', reasoning: 'Hm' });
    const counted = { ...usage, completion_tokens_details: { reasoning_tokens: 2 } };
    expect(vllm.read({ choices: [], usage: counted }).usage!.reasoning).toBe(2);
  });

  it('takes a role for no token, and an error inside the stream for what it is', () => {
    const role = vllm.read({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] });
    expect(role).toMatchObject({ text: '', reasoning: '', error: null });
    const error = { message: 'Internal server error', type: 'InternalServerError', param: null, code: 500 };
    expect(vllm.read({ error }).error).toBe('Internal server error');
    expect(vllm.read({ object: 'error', message: 'too long', code: 400 }).error).toBe('too long');
  });

  it('tokenizes texts and conversations by one path', () => {
    const { text, messages, ids } = vllm.tokenizer!;
    expect(text('hi', 'm').body).toEqual({ model: 'm', prompt: 'hi', add_special_tokens: true });
    expect(messages!([{ role: 'user', content: 'hi' }], 'm').body).toMatchObject({
      add_generation_prompt: true,
    });
    expect(ids({ count: 2, max_model_len: 8192, tokens: [1, 403], token_strs: null })).toEqual([1, 403]);
    expect(ids({ count: 1, tokens: [1.5] })).toBeNull();
  });
});
