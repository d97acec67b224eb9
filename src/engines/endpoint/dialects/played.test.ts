import { describe, expect, it } from 'vitest';
import { monotonicClock } from '../../../core/clock.js';
import { serverKinds, serverRecordSchema } from '../../../core/records/server.js';
import type { EndpointApi, GenerateRequest } from '../endpoint.js';
import { openEndpoint } from '../open-endpoint.js';
import { playServer } from '../played-server.test-support.js';
import { dialects } from './dialects.js';
import { players, scriptOf } from './player.test-support.js';

const clock = monotonicClock();
const request: GenerateRequest = {
  prompt: { kind: 'text', text: 'one two three' },
  ...{ maxTokens: 6, ignoreEos: true, temperature: 0, topK: null, seed: 7, cachePrompt: true },
};

/** Whether each tells it, in the form that its player plays. */
const tellsCached = (kind: string, api: EndpointApi) =>
  kind !== 'tgi' && !(kind === 'sglang' && api === 'chat');
const countsOnTheWay = (kind: string, api: EndpointApi) =>
  kind === 'tgi' ? api === 'completions' : kind !== 'ollama' && kind !== 'openai';

describe('the client with a server that is played', () => {
  it.each(
    serverKinds.flatMap((kind) => (['chat', 'completions'] as const).map((api) => [kind, api] as const)),
  )('%s is recognised, and answers a request of %s with all its counts', async (kind, api) => {
    const counts = { prompt: 12, cached: 8, completion: 6, reasoning: api === 'chat' ? 2 : 0 };
    const server = await playServer(scriptOf(players[kind], counts));
    const options = { url: server.url, connections: 2, retries: 0, now: () => clock.now() };
    const endpoint = await openEndpoint({ ...options, api });
    try {
      expect(serverRecordSchema.parse(endpoint.record)).toMatchObject({ kind, model: 'played' });
      const takesIds = dialects.find((dialect) => dialect.kind === kind)!.takesIds;
      expect(endpoint.takesIds).toBe(takesIds && api === 'completions');
      const prompt = endpoint.takesIds ? { kind: 'ids' as const, ids: [1, 2, 3] } : request.prompt;
      const { outcome, usage, clientTokens, events, tokenGapsNs, finishReason } = await endpoint.generate(
        { ...request, prompt },
        { deadlineMs: 10_000 },
      );
      expect({ outcome, finishReason }).toEqual({ outcome: { status: 'ok' }, finishReason: 'length' });
      expect(usage).toMatchObject({ prompt: 12, completion: 6, cached: tellsCached(kind, api) ? 8 : null });
      expect({ events, clientTokens }).toEqual({
        events: 6,
        clientTokens: countsOnTheWay(kind, api) ? 6 : null,
      });
      expect(tokenGapsNs).toHaveLength(5);
      const ids = await endpoint.tokenize?.({ kind: 'text', text: 'one two three' });
      if (ids) expect(ids.length).toBe(kind === 'llama.cpp' ? 4 : 3);
    } finally {
      await endpoint.close();
      await server.close();
    }
  });
});
