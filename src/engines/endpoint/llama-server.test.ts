import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monotonicClock } from '../../core/clock.js';
import type { Endpoint, GenerateRequest } from './endpoint.js';
import { type LlamaServer, lacksLlamaServer, llamaServer } from './llama-server.test-support.js';
import { openEndpoint } from './open-endpoint.js';

const clock = monotonicClock();
const request: GenerateRequest = {
  ...{ prompt: { kind: 'ids', ids: [1, 5, 6, 7] }, maxTokens: 24, ignoreEos: true, temperature: 0 },
  ...{ topK: null, seed: 1, cachePrompt: false },
};

describe.skipIf(lacksLlamaServer)(
  `a real llama-server${lacksLlamaServer ? ` (skipped: ${lacksLlamaServer})` : ''}`,
  () => {
    let server: LlamaServer;
    let endpoint: Endpoint;
    beforeAll(async () => {
      server = await llamaServer();
      endpoint = await open(server.url);
    });
    afterAll(async () => {
      await endpoint.close();
      await server.close();
    });

    const open = (url: string) =>
      openEndpoint({ url, api: 'auto', connections: 4, retries: 0, now: () => clock.now() });
    const counter = async (name: string) => {
      const metrics = await (await fetch(`${server.origin}/metrics`)).text();
      return Number(new RegExp(`^llamacpp:${name} (\\S+)`, 'm').exec(metrics)![1]);
    };

    it('is recognised, by its address with /v1 alone', async () => {
      expect(endpoint.record).toMatchObject({
        ...{ kind: 'llama.cpp', model: 'stories260K.gguf', vocabulary: 512, onThisMachine: true },
      });
      expect([endpoint.api, endpoint.takesIds, endpoint.forcesLength]).toEqual(['completions', true, true]);
      await expect(open(server.origin)).rejects.toMatchObject({
        ...{ code: 'endpoint-wrong-path', hint: `Use --endpoint ${server.url}.` },
      });
    });

    it('counts the tokens that the client counts, each in an event of its own', async () => {
      const { outcome, usage, clientTokens, tokenGapsNs, finishReason } = await endpoint.generate(request, {
        deadlineMs: null,
      });
      expect({ outcome, clientTokens, finishReason }).toEqual({
        ...{ outcome: { status: 'ok' }, clientTokens: 24, finishReason: 'length' },
      });
      expect(usage).toMatchObject({ prompt: 4, completion: 24 });
      expect(tokenGapsNs).toHaveLength(23);
    });

    it('loses no request to the connections that it closes', async () => {
      const short = { ...request, maxTokens: 2 };
      for (let sent = 0; sent < 30; sent++)
        expect((await endpoint.generate(short, { deadlineMs: null })).outcome).toEqual({ status: 'ok' });
    });

    it('turns texts and conversations into ids that it takes', async () => {
      const ids = await endpoint.tokenize!({ kind: 'text', text: 'Once upon a time' });
      const chat = await endpoint.tokenize!({
        kind: 'messages',
        messages: [{ role: 'user', content: 'Once' }],
      });
      expect(chat.length).toBeGreaterThan(ids.length);
      const { usage } = await endpoint.generate(
        { ...request, prompt: { kind: 'ids', ids } },
        { deadlineMs: null },
      );
      expect(usage!.prompt).toBe(ids.length);
    });

    it('stops generating when the client goes', async () => {
      const before = await counter('tokens_predicted_total');
      const { outcome, clientTokens } = await endpoint.generate(
        { ...request, maxTokens: 400 },
        { deadlineMs: 30 },
      );
      expect(outcome).toMatchObject({ status: 'failed', code: 'deadline-exceeded' });
      while ((await counter('requests_processing')) > 0);
      // It counts all that it generated, of which the client has not seen the last.
      const generated = (await counter('tokens_predicted_total')) - before;
      expect(generated).toBeGreaterThanOrEqual(clientTokens ?? 0);
      expect(generated).toBeLessThan(400);
    });
  },
);
