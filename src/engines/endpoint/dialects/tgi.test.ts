import { describe, expect, it } from 'vitest';
import type { GenerateRequest, ProbeAnswer } from '../endpoint.js';
import { tgi } from './tgi.js';

const ok = (body: unknown): ProbeAnswer => ({ status: 200, headers: {}, body });
const request: GenerateRequest = {
  prompt: { kind: 'text', text: 'Once upon' },
  ...{ maxTokens: 5, ignoreEos: true, temperature: 0, topK: 40, seed: 7, cachePrompt: true },
};

describe('the dialect of text-generation-inference', () => {
  // As the router of 3.3.4 writes its struct Info.
  const info = {
    ...{ model_id: '/data/llama', model_sha: null, model_pipeline_tag: 'text-generation' },
    ...{ max_concurrent_requests: 128, max_best_of: 2, max_stop_sequences: 4, max_input_tokens: 4095 },
    ...{ max_total_tokens: 4096, max_batch_total_tokens: 16000, max_waiting_tokens: 20 },
    ...{ max_batch_size: null, validation_workers: 2, max_client_batch_size: 4, version: '3.3.4', sha: null },
  };

  it('describes itself by /info', () => {
    const answers = new Map([['/info', ok(info)]]);
    expect(tgi.recognises(answers)).toBe(true);
    expect(tgi.describe(answers, 'm')).toMatchObject({
      ...{ version: '3.3.4', contextLength: 4096, slots: null, promptCache: null, dtype: null },
      settings: { max_concurrent_requests: 128, max_input_tokens: 4095, max_batch_total_tokens: 16000 },
    });
  });

  it('takes no server of embeddings for one of text', () => {
    const embeddings = { model_id: 'bge', max_concurrent_requests: 512, version: '1.4.0' };
    expect(tgi.recognises(new Map([['/info', ok(embeddings)]]))).toBe(false);
  });

  it('sends a text to its own API, greedy by not sampling, as it refuses a temperature of 0', () => {
    expect(tgi.exchange(request, 'completions', 'm')).toEqual({
      path: '/generate_stream',
      framing: 'sse',
      body: {
        inputs: 'Once upon',
        parameters: { max_new_tokens: 5, details: true, do_sample: false, seed: 7 },
      },
    });
    const drawn = tgi.exchange({ ...request, temperature: 0.8 }, 'completions', 'm').body.parameters;
    expect(drawn).toMatchObject({ do_sample: true, temperature: 0.8, top_k: 40 });
    expect(tgi.exchange(request, 'chat', 'm').body).not.toHaveProperty('ignore_eos');
  });

  // Events by generate_stream_internal of router/src/server.rs.
  const token = { id: 264, text: ' a', logprob: -0.1, special: false };

  it('counts a token an event by its index, and the whole by the details of the last', () => {
    const event = { index: 3, token, generated_text: null, details: null };
    expect(tgi.read(event)).toMatchObject({ text: ' a', tokensSoFar: 3, usage: null, isLast: false });
    const details = { finish_reason: 'length', generated_tokens: 5, seed: null, input_length: 12 };
    const last = { index: 5, token, generated_text: 'all of the text again', details };
    expect(tgi.read(last)).toMatchObject({
      ...{ text: ' a', tokensSoFar: 5, finishReason: 'length', isLast: true },
      usage: { prompt: 12, completion: 5, cached: null, from: 'native' },
    });
  });

  it('takes the end of text for a token without text', () => {
    const end = { index: 4, token: { ...token, text: '</s>', special: true }, details: null };
    expect(tgi.read(end)).toMatchObject({ text: '', tokensSoFar: 4 });
  });

  it('reads what went wrong inside the stream', () => {
    const error = { error: 'Request failed during generation: CUDA out of memory', error_type: 'generation' };
    expect(tgi.read(error).error).toContain('out of memory');
  });

  it('reads counts and the queue, in ms, from the headers of an answer that is not streamed', () => {
    const headers = {
      ...{ 'x-compute-type': 'gpu+optimized', 'x-total-time': '312', 'x-queue-time': '7' },
      ...{ 'x-inference-time': '300', 'x-time-per-token': '60' },
      ...{ 'x-prompt-tokens': '12', 'x-generated-tokens': '5' },
    };
    expect(tgi.readHeaders(headers)).toMatchObject({
      usage: { prompt: 12, completion: 5, from: 'headers' },
      times: { queued: 7_000_000, prefill: null, decode: null },
    });
    const streamed = { 'x-compute-type': 'gpu+optimized', 'x-compute-characters': '9' };
    expect(tgi.readHeaders(streamed)).toEqual({ usage: null, times: null, replica: null });
  });

  it('tokenizes texts, and conversations by a path of their own', () => {
    const { text, messages, ids } = tgi.tokenizer!;
    expect(text('hi', 'm')).toEqual({ path: '/tokenize', body: { inputs: 'hi' } });
    expect(messages!([{ role: 'user', content: 'hi' }], 'm').path).toBe('/chat_tokenize');
    const tokens = [
      { id: 1, text: '<s>', start: 0, stop: 0 },
      { id: 7251, text: 'hi', start: 0, stop: 2 },
    ];
    expect(ids(tokens)).toEqual([1, 7251]);
    expect(ids({ tokenize_response: tokens, templated_text: 'hi' })).toEqual([1, 7251]);
    expect(ids([{ text: 'no id' }])).toBeNull();
  });
});
