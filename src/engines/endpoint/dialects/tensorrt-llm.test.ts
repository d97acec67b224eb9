import { describe, expect, it } from 'vitest';
import type { GenerateRequest, ProbeAnswer } from '../endpoint.js';
import { tensorrtLlm } from './tensorrt-llm.js';

const ok = (body: unknown): ProbeAnswer => ({ status: 200, headers: {}, body });
const request: GenerateRequest = {
  prompt: { kind: 'ids', ids: [1, 403, 407] },
  ...{ maxTokens: 5, ignoreEos: true, temperature: 0, topK: 40, seed: 7, cachePrompt: false },
};

/** Fields of CompletionRequest that are used here, by openai_protocol.py of summer 2026, which forbids any other. */
const known = [
  ...['model', 'prompt', 'max_tokens', 'seed', 'stream', 'stream_options', 'temperature', 'top_k'],
  'ignore_eos',
];

describe('the dialect of TensorRT-LLM', () => {
  it('is recognised by the owner of its model, and tells its version alone', () => {
    const answers = new Map([
      ['/version', ok({ version: '1.2.0' })],
      ['/v1/models', ok({ data: [{ id: 'm', object: 'model', created: 1, owned_by: 'tensorrt_llm' }] })],
    ]);
    expect(tensorrtLlm.recognises(answers)).toBe(true);
    const { version, contextLength, absent } = tensorrtLlm.describe(answers, 'm');
    expect({ version, contextLength }).toEqual({ version: '1.2.0', contextLength: null });
    expect(absent.slots).toContain('/metrics');
  });

  it('sends no field that it would refuse', () => {
    const { body } = tensorrtLlm.exchange(request, 'completions', 'm');
    expect(Object.keys(body).filter((name) => !known.includes(name))).toEqual([]);
    expect(body).toMatchObject({ prompt: [1, 403, 407], ignore_eos: true, top_k: 40 });
  });

  it('reads running counts and what was cached, which it always tells', () => {
    // By completion_stream_post_processor of postprocess_handlers.py.
    const usage = {
      ...{ prompt_tokens: 12, completion_tokens: 4, total_tokens: 16 },
      prompt_tokens_details: { cached_tokens: 0 },
    };
    const chunk = { choices: [{ index: 0, text: ' a time', finish_reason: 'length' }], usage };
    expect(tensorrtLlm.read(chunk)).toMatchObject({
      ...{ text: ' a time', tokensSoFar: 4, finishReason: 'length' },
      usage: { prompt: 12, completion: 4, cached: 0, from: 'usage' },
    });
  });

  it('takes a chunk whose token has no text yet for no text', () => {
    const chunk = { choices: [{ index: 0, delta: { content: '', reasoning_content: '' } }] };
    expect(tensorrtLlm.read(chunk)).toMatchObject({ text: '', reasoning: '' });
  });
});
