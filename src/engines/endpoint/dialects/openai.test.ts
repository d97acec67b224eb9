import { describe, expect, it } from 'vitest';
import type { GenerateRequest } from '../endpoint.js';
import { withoutFolder } from './fields.js';
import { openai } from './openai.js';
import { replicaName, replicaOf } from './replica.js';

const request: GenerateRequest = {
  prompt: { kind: 'messages', messages: [{ role: 'user', content: 'hi' }] },
  ...{ maxTokens: 5, ignoreEos: true, temperature: 0, topK: 40, seed: null, cachePrompt: false },
};

describe('the dialect of any other server', () => {
  it("sends fields of OpenAI's reference and no others, as a strict server refuses them", () => {
    expect(openai.exchange(request, 'chat', 'm')).toEqual({
      path: 'chat/completions',
      framing: 'sse',
      body: {
        ...{ model: 'm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5, temperature: 0 },
        ...{ stream: true, stream_options: { include_usage: true } },
      },
    });
    expect([openai.takesIds, openai.forcesLength, openai.tokenizer]).toEqual([false, false, null]);
  });

  it("reads the usage of OpenAI's reference, whose details are parts of their wholes", () => {
    const usage = {
      ...{ prompt_tokens: 2006, completion_tokens: 300, total_tokens: 2306 },
      prompt_tokens_details: { cached_tokens: 1920 },
      completion_tokens_details: { reasoning_tokens: 128, accepted_prediction_tokens: 0 },
    };
    expect(openai.read({ choices: [], usage })).toMatchObject({
      usage: { prompt: 2006, completion: 300, cached: 1920, reasoning: 128, drafted: null, from: 'usage' },
      tokensSoFar: null,
    });
    const impossible = { ...usage, prompt_tokens_details: { cached_tokens: 2007 } };
    expect(openai.read({ choices: [], usage: impossible }).usage!.cached).toBeNull();
  });

  it('reads both APIs, in a stream and at once, and of several answers the first', () => {
    expect(openai.read({ choices: [{ index: 0, text: ' a' }] }).text).toBe(' a');
    const whole = { role: 'assistant', content: 'hello', reasoning_content: 'Hm' };
    expect(openai.read({ choices: [{ index: 0, message: whole }] })).toMatchObject({
      ...{ text: 'hello', reasoning: 'Hm' },
    });
    const second = { choices: [{ index: 1, delta: { content: 'other' } }] };
    expect(openai.read(second).text).toBe('');
  });

  it.each([
    [{ error: { message: 'overloaded', type: 'server_error' } }, 'overloaded'],
    [{ error: 'overloaded' }, 'overloaded'],
    [{ error: {} }, 'no message'],
    [{ error: null, choices: [] }, null],
  ])('reads the error of %j', (event, error) => {
    expect(openai.read(event).error).toBe(error);
  });
});

describe('the member of a fleet that answered', () => {
  it.each([
    [{ 'x-served-by': 'vllm-0' }, 'vllm-0'],
    [{ 'x-served-by': 'cache-fra-1', 'x-replica-id': '3' }, '3'],
    [{ 'x-inference-pod': 'fast-simulator-abc12' }, 'fast-simulator-abc12'],
    [{ 'content-type': 'text/event-stream', 'x-request-id': 'a' }, null],
    [{ 'x-upstream-addr': '-' }, null],
  ])('is by %j %s', (headers, replica) => {
    expect(replicaOf(headers as Record<string, string>)).toBe(replica);
  });

  it('has a digest for a name where the header holds an address: the same for each, and no host in it', () => {
    const first = replicaOf({ 'x-upstream-addr': '10.0.0.7:8000' })!;
    expect(first).toMatch(/^replica-[0-9a-f]{8}$/);
    // nginx names those that it tried before, too.
    expect(replicaOf({ 'x-upstream-addr': '10.0.0.6:8000, 10.0.0.7:8000' })).toBe(first);
    expect(replicaName('10.0.0.7:8000')).toBe(first);
    expect(replicaOf({ 'x-upstream-addr': '10.0.0.8:8000' })).not.toBe(first);
  });
});

describe('the name of a model', () => {
  it.each([
    ['/srv/models/stories260K.gguf', 'stories260K.gguf'],
    ['models/stories260K.gguf', 'stories260K.gguf'],
    ['C:\\models\\llama\\', 'llama'],
    ['~/llama', 'llama'],
    ['Qwen/Qwen3-8B', 'Qwen/Qwen3-8B'],
    ['llama3.2:1b', 'llama3.2:1b'],
  ])('%s is recorded as %s', (name, recorded) => {
    expect(withoutFolder(name)).toBe(recorded);
  });
});
