import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointApi, EventReading, GenerateRequest, ProbeAnswer } from '../endpoint.js';
import {
  type LlamaServer,
  lacksLlamaServer,
  llamaServer as startLlamaServer,
} from '../llama-server.test-support.js';
import { llamaServer } from './llama-server.js';

const ok = (body: unknown): ProbeAnswer => ({ status: 200, headers: {}, body });
const request: GenerateRequest = {
  prompt: { kind: 'ids', ids: [1, 403, 407] },
  ...{ maxTokens: 3, ignoreEos: true, temperature: 0, topK: null, seed: 7, cachePrompt: true },
};
const timed = (timings: object, more: object = {}) => ({ choices: [], ...more, timings });

describe("the dialect of llama.cpp's server", () => {
  // As Debian's build 11669 answered in November 2026, serving stories260K; its folder is made up.
  const id = '/srv/models/stories260K.gguf';
  const answers = new Map([
    [
      '/props',
      ok({
        default_generation_settings: {
          params: { seed: 4294967295, temperature: 0.8, 'speculative.types': 'none', lora: [] },
          n_ctx: 512,
        },
        ...{ total_slots: 1, model_alias: id, model_ftype: 'all F32', model_path: id, endpoint_slots: true },
        ...{ chat_template: '{%- for message in messages -%}', bos_token: '<s>', eos_token: '</s>' },
        ...{ build_info: 'b11669-Debian', is_sleeping: false },
      }),
    ],
    [
      '/v1/models',
      ok({
        object: 'list',
        data: [
          {
            ...{ id, object: 'model', created: 1795901453, owned_by: 'llamacpp' },
            meta: {
              ...{ vocab_type: 1, n_vocab: 512, n_ctx: 512, n_ctx_train: 512, n_embd: 64 },
              ...{ n_params: 292800, size: 1171200, ftype: 'all F32' },
            },
          },
        ],
      }),
    ],
    ['/slots', ok([{ id: 0, n_ctx: 512, speculative: false, is_processing: false }])],
  ]);

  it('describes itself by /props and the meta of its model, without the folder of either', () => {
    expect(llamaServer.recognises(answers)).toBe(true);
    expect(llamaServer.describe(answers, id)).toEqual({
      ...{ version: 'b11669-Debian', contextLength: 512, slots: 1, promptCache: null },
      ...{ vocabulary: 512, parameters: 292800, dtype: 'all F32' },
      settings: {
        ...{ model_path: 'stories260K.gguf', is_sleeping: false, chat_template: true },
        ...{ n_ctx_train: 512, n_embd: 64, size: 1171200, 'speculative.types': 'none' },
      },
      absent: { promptCache: 'each request says whether it may read the cache (cache_prompt)' },
    });
  });

  it('is recognised by its model alone where /props needs a key, and says what it could not see', () => {
    const closed = new Map([...answers, ['/props', { status: 401, headers: {}, body: {} }] as const]);
    closed.delete('/slots');
    expect(llamaServer.recognises(closed)).toBe(true);
    const { version, slots, vocabulary, absent } = llamaServer.describe(closed, id);
    expect({ version, slots, vocabulary }).toEqual({ version: null, slots: null, vocabulary: 512 });
    expect(Object.keys(absent).toSorted()).toEqual(['contextLength', 'promptCache', 'slots', 'version']);
  });

  it('sends ids, with the cache and the end of text as they are asked for', () => {
    const asked = { ...request, cachePrompt: false, topK: 40 };
    expect(llamaServer.exchange(asked, 'completions', 'm').body).toMatchObject({
      ...{ prompt: [1, 403, 407], ignore_eos: true, cache_prompt: false, top_k: 40, timings_per_token: true },
    });
    expect(() => llamaServer.exchange(asked, 'chat', 'm')).toThrow('no token ids');
  });

  // Recorded: POST /v1/completions with ids, include_usage and timings_per_token, the second time for that prompt.
  const final = {
    choices: [{ text: '', index: 0, logprobs: null, finish_reason: 'length' }],
    ...{ object: 'text_completion', system_fingerprint: 'b11669-Debian' },
    usage: {
      ...{ completion_tokens: 3, prompt_tokens: 3, total_tokens: 6 },
      prompt_tokens_details: { cached_tokens: 2 },
    },
    timings: {
      ...{ cache_n: 2, prompt_n: 1, prompt_ms: 0.653, prompt_per_token_ms: 0.653 },
      ...{ prompt_per_second: 1531.3935681470136, predicted_n: 3, predicted_ms: 0.781 },
      ...{ predicted_per_token_ms: 0.3905, predicted_per_second: 2560.819462227913 },
    },
  };

  it('reads counts and times of the last event', () => {
    expect(llamaServer.read(final)).toEqual({
      ...{ text: '', reasoning: '', tokensSoFar: 3, finishReason: 'length', error: null, isLast: false },
      usage: {
        ...{ prompt: 3, completion: 3, cached: 2, reasoning: null, drafted: null, accepted: null },
        from: 'usage',
      },
      times: { queued: null, prefill: 653_000, decode: 781_000 },
    });
  });

  it('counts by timings where there is no usage, as without include_usage in a streamed chat', () => {
    const { usage } = llamaServer.read(timed({ cache_n: 1, prompt_n: 41, predicted_n: 3 }));
    expect(usage).toMatchObject({ prompt: 42, cached: 1, completion: 3, from: 'native' });
    // Older builds tell what was computed of the prompt, and not how long it was.
    expect(llamaServer.read(timed({ prompt_n: 41, predicted_n: 3 })).usage).toBeNull();
  });

  it('reads draft tokens, which stand in timings from the first on', () => {
    const drafts = { cache_n: 0, prompt_n: 3, predicted_n: 9, draft_n: 12, draft_n_accepted: 6 };
    expect(llamaServer.read(timed(drafts, { usage: final.usage })).usage).toMatchObject({
      ...{ completion: 3, drafted: 12, accepted: 6 },
    });
  });

  it('takes progress through the prompt and a role without text for no tokens', () => {
    const progress = {
      choices: [{ finish_reason: null, index: 0, delta: { role: 'assistant', content: null } }],
      prompt_progress: { total: 42, cache: 1, processed: 42, time_ms: 7 },
    };
    expect(llamaServer.read(progress)).toMatchObject({
      text: '',
      reasoning: '',
      tokensSoFar: null,
      usage: null,
    });
  });

  it('reads reasoning apart from the answer, and what went wrong', () => {
    const thought = { choices: [{ finish_reason: null, index: 0, delta: { reasoning_content: 'Hm' } }] };
    expect(llamaServer.read(thought)).toMatchObject({ text: '', reasoning: 'Hm' });
    const error = { code: 400, message: 'Prompt contains invalid tokens', type: 'invalid_request_error' };
    expect(llamaServer.read({ error }).error).toBe('Prompt contains invalid tokens');
  });
});

describe.skipIf(lacksLlamaServer)(
  `a real llama-server${lacksLlamaServer ? ` (${lacksLlamaServer})` : ''}`,
  () => {
    let server: LlamaServer;
    beforeAll(async () => {
      server = await startLlamaServer(['-np', '1']);
    });
    afterAll(() => server.close());

    async function post(path: string, body: unknown): Promise<Response> {
      const url = path.startsWith('/') ? `${server.origin}${path}` : `${server.url}/${path}`;
      const headers = { 'content-type': 'application/json' };
      return await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    }

    async function generate(asked: GenerateRequest, api: EndpointApi): Promise<EventReading[]> {
      const { path, body } = llamaServer.exchange(asked, api, 'stories260K');
      const stream = await (await post(path, body)).text();
      return [...stream.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => llamaServer.read(JSON.parse(data!)));
    }

    async function idsOf(asked: { path: string; body: unknown }): Promise<number[]> {
      return llamaServer.tokenizer!.ids(await (await post(asked.path, asked.body)).json())!;
    }

    it('is recognised, and tells all but its cache', async () => {
      const answers = new Map<string, ProbeAnswer>();
      for (const path of ['/v1/models', ...llamaServer.probes])
        answers.set(path, ok(await (await fetch(`${server.origin}${path}`)).json()));
      expect(llamaServer.recognises(answers)).toBe(true);
      const models = answers.get('/v1/models')!.body as { data: { id: string }[] };
      const told = llamaServer.describe(answers, models.data[0]!.id);
      expect(Object.keys(told.absent)).toEqual(['promptCache']);
      // The model's 260,032 parameters, and the 512 × 64 of an output layer that shares its weights with the input.
      expect(told).toMatchObject({ slots: 1, vocabulary: 512, parameters: 292_800, dtype: 'all F32' });
      expect(JSON.stringify(told)).not.toContain('/');
    });

    it('counts an answer of ids: its prompt, each token as it comes, and the cache of the second time', async () => {
      const asked = {
        ...request,
        maxTokens: 8,
        prompt: { kind: 'ids' as const, ids: [1, 403, 407, 261, 378] },
      };
      const first = await generate(asked, 'completions');
      expect(first.flatMap(({ tokensSoFar, text }) => (text === '' ? [] : [tokensSoFar]))).toEqual(
        Array.from({ length: 8 }, (_, at) => at + 1),
      );
      const last = first.at(-1)!;
      expect(last.usage).toMatchObject({ prompt: 5, cached: 0, completion: 8, from: 'usage' });
      expect(last).toMatchObject({ finishReason: 'length', times: { queued: null } });
      expect(last.times!.prefill! > 0 && last.times!.decode! > 0).toBe(true);
      const again = (await generate(asked, 'completions')).at(-1)!;
      expect(again.usage).toMatchObject({ prompt: 5, cached: 4, completion: 8 });
      const uncached = (await generate({ ...asked, cachePrompt: false }, 'completions')).at(-1)!;
      expect(uncached.usage!.cached).toBe(0);
    });

    it('counts texts and conversations as its tokenizer does', async () => {
      const { text, messages } = llamaServer.tokenizer!;
      const ids = await idsOf(text('Once upon a time', 'm'));
      expect(ids).toEqual([1, 403, 407, 261, 378]);
      const prompt = { kind: 'text' as const, text: 'Once upon a time' };
      expect((await generate({ ...request, prompt }, 'completions')).at(-1)!.usage!.prompt).toBe(5);
      const turns = [{ role: 'user', content: 'Tell me a story' }];
      const templated = messages!(turns, 'm');
      const answer = await (await post(templated.path, templated.body)).json();
      const ofChat = await idsOf(text(templated.promptIn!(answer)!, 'm'));
      const chat = await generate({ ...request, prompt: { kind: 'messages', messages: turns } }, 'chat');
      expect(chat.at(-1)!.usage).toMatchObject({ prompt: ofChat.length, completion: 3 });
    });
  },
);
