import { describe, expect, it } from 'vitest';
import type { GenerateRequest, ProbeAnswer } from '../endpoint.js';
import { ollama } from './ollama.js';

const ok = (body: unknown): ProbeAnswer => ({ status: 200, headers: {}, body });
const request: GenerateRequest = {
  prompt: { kind: 'text', text: 'Once upon' },
  ...{ maxTokens: 5, ignoreEos: true, temperature: 0, topK: 40, seed: 7, cachePrompt: true },
};

describe('the dialect of Ollama', () => {
  // Forms by docs/api.md (GET /api/ps, GET /api/tags) and ProcessModelResponse of api/types.go, 0.33.
  const details = { format: 'gguf', family: 'llama', parameter_size: '7.2B', quantization_level: 'Q4_0' };
  const answers = (loaded: object[]) =>
    new Map([
      ['/api/version', ok({ version: '0.33.3' })],
      ['/api/tags', ok({ models: [{ name: 'mistral:latest', details }] })],
      ['/api/ps', ok({ models: loaded })],
    ]);

  it('tells the context of a loaded model, by its name without the tag too', () => {
    const loaded = answers([
      { name: 'mistral:latest', details, context_length: 4096, size_vram: 5137025024 },
    ]);
    expect(ollama.recognises(loaded)).toBe(true);
    for (const name of ['mistral', 'mistral:latest'])
      expect(ollama.describe(loaded, name)).toMatchObject({
        ...{ version: '0.33.3', contextLength: 4096, dtype: 'Q4_0', parameters: null },
        settings: { format: 'gguf', family: 'llama', parameter_size: '7.2B' },
      });
  });

  it('says of a model that is not loaded why its context is not known', () => {
    const told = ollama.describe(answers([]), 'mistral');
    expect(told).toMatchObject({ contextLength: null, dtype: 'Q4_0' });
    expect(told.absent.contextLength).toContain('loaded');
  });

  it('sends a text past the template, and lets nothing be cut or shifted without a word', () => {
    expect(ollama.exchange(request, 'completions', 'mistral')).toEqual({
      path: '/api/generate',
      framing: 'ndjson',
      body: {
        ...{ model: 'mistral', prompt: 'Once upon', raw: true, stream: true, truncate: false, shift: false },
        options: { num_predict: 5, temperature: 0, seed: 7, top_k: 40 },
      },
    });
    const chat = ollama.exchange(request, 'chat', 'mistral');
    expect(chat.path).toBe('/api/chat');
    expect(chat.body).toMatchObject({ messages: [{ role: 'user', content: 'Once upon' }] });
    expect(chat.body).not.toHaveProperty('raw');
    expect([ollama.takesIds, ollama.forcesLength]).toEqual([false, false]);
  });

  it('reads the final response of docs/api.md: counts, and durations in ns', () => {
    const final = {
      ...{ model: 'llama3.2', created_at: '2023-08-04T19:22:45.499127Z', response: '', done: true },
      ...{ context: [1, 2, 3], total_duration: 10706818083, load_duration: 6338219291 },
      ...{ prompt_eval_count: 26, prompt_eval_duration: 130079000 },
      ...{ eval_count: 259, eval_duration: 4232710000 },
    };
    expect(ollama.read(final)).toMatchObject({
      ...{ text: '', isLast: true },
      usage: { prompt: 26, completion: 259, cached: null, from: 'native' },
      times: { queued: null, prefill: 130079000, decode: 4232710000 },
    });
    // As recorded of llama3.2:1b in September 2026: what was cached is a part of the prompt's count.
    const recorded = { ...final, prompt_eval_count: 29, prompt_eval_cached_count: 0, done_reason: 'stop' };
    expect(ollama.read(recorded)).toMatchObject({ finishReason: 'stop', usage: { prompt: 29, cached: 0 } });
  });

  it('counts nothing where an old version leaves out the prompt that was cached', () => {
    expect(ollama.read({ response: '', done: true, eval_count: 5 }).usage).toBeNull();
    expect(ollama.read({ response: '', done: true, prompt_eval_count: 5 }).usage!.completion).toBe(0);
  });

  it('reads text and thinking of both APIs', () => {
    expect(ollama.read({ response: 'The', done: false })).toMatchObject({ text: 'The', isLast: false });
    const chat = { message: { role: 'assistant', content: 'The' }, done: false };
    expect(ollama.read(chat)).toMatchObject({ text: 'The', usage: null });
    const thinking = { message: { role: 'assistant', content: '', thinking: 'Hm' }, done: false };
    expect(ollama.read(thinking)).toMatchObject({ text: '', reasoning: 'Hm' });
    expect(ollama.read({ response: '', thinking: 'Hm', done: false }).reasoning).toBe('Hm');
    expect(ollama.read({ error: 'model runner has unexpectedly stopped' }).error).toContain('stopped');
  });
});
