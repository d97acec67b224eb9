import { describe, expect, it } from 'vitest';
import { lacksOpenssl, modelList, playServer, type Script } from './played-server.test-support.js';

async function withServer<Result>(
  script: Script,
  use: (server: Awaited<ReturnType<typeof playServer>>) => Promise<Result>,
  tls = false,
): Promise<Result> {
  const server = await playServer(script, { tls });
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}

const post = (url: string, signal?: AbortSignal) =>
  fetch(url, { method: 'POST', body: '{}', signal: signal ?? null });

describe('the played server', () => {
  it('answers what its script says, and 404 to all else', () =>
    withServer({ 'GET /v1/models': modelList('a') }, async ({ url, requests }) => {
      expect(await (await fetch(`${url}/models?x=1`)).json()).toMatchObject({ data: [{ id: 'a' }] });
      expect((await post(`${url}/models`)).status).toBe(404);
      expect(requests.map(({ method, body }) => [method, body])).toEqual([
        ['GET', ''],
        ['POST', {}],
      ]);
    }));

  it('sees that a client has gone', () =>
    withServer({ 'POST /v1/x': { pieces: ['a', 1, 'b'], end: 'hang' } }, async (server) => {
      const gone = new AbortController();
      await post(`${server.url}/x`, gone.signal);
      expect(server.openConnections()).toBe(1);
      gone.abort();
      await server.until(({ requests }) => requests[0]!.aborted);
      await server.until((played) => played.openConnections() === 0);
    }));

  it('breaks off in the middle', () =>
    withServer({ 'POST /v1/x': { pieces: ['a'], end: 'cut' } }, async (server) => {
      const answer = await post(`${server.url}/x`);
      await expect(answer.text()).rejects.toThrow('terminated');
      expect(server.requests[0]!.aborted).toBe(false);
    }));

  it.skipIf(lacksOpenssl)('speaks TLS that no authority vouches for', () =>
    withServer({}, async ({ url }) => expect(fetch(url)).rejects.toThrow('fetch failed'), true),
  );
});
