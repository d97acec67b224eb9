import { afterEach, describe, expect, it } from 'vitest';
import { monotonicClock } from '../../core/clock.js';
import type { Endpoint, EndpointOptions, GenerateControl, GenerateRequest, Generation } from './endpoint.js';
import { openEndpoint } from './open-endpoint.js';
import {
  type PlayedAnswer,
  type PlayedServer,
  playServer,
  type Script,
  sse,
} from './played-server.test-support.js';

const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closes.splice(0).map((close) => close()));
});

const clock = monotonicClock();
const secret = 'sk-very-secret';
const path = 'POST /v1/chat/completions';
const request: GenerateRequest = {
  ...{ prompt: { kind: 'text', text: 'Hi' }, maxTokens: 3, ignoreEos: true, temperature: 0 },
  ...{ topK: null, seed: null, cachePrompt: false },
};

/** An endpoint that gives this answer to every request, or one to each. */
async function endpoint(
  answer: Script[string],
  options: Partial<EndpointOptions> & { owner?: string } = {},
): Promise<{ server: PlayedServer; opened: Endpoint }> {
  const list = { body: { data: [{ id: 'm', object: 'model', owned_by: options.owner ?? 'played' }] } };
  const server = await playServer({ 'GET /v1/models': list, [path]: answer });
  const opened = await openEndpoint({
    ...{ url: server.url, api: 'chat', connections: 8, retries: 0, now: () => clock.now() },
    ...options,
  });
  closes.push(
    () => opened.close(),
    () => server.close(),
  );
  return { server, opened };
}

async function generated(
  answer: Script[string],
  options?: Parameters<typeof endpoint>[1],
  control: Partial<GenerateControl> = {},
): Promise<Generation> {
  const { opened } = await endpoint(answer, options);
  return opened.generate(request, { deadlineMs: null, ...control });
}

const failed = (code: string, message: unknown = expect.any(String)) => ({ status: 'failed', code, message });

const said = (delta: object, finish: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const role = said({ role: 'assistant', content: '' });
const text = (content: string, finish: string | null = null) => said({ content }, finish);
const usage = (completion: number) => ({
  ...{ choices: [], usage: { prompt_tokens: 5, completion_tokens: completion } },
});
const whole = [role, text('a'), text('b'), text('c', 'length'), usage(3)];

describe('an answer that is whole', () => {
  it('has its tokens, and times in their order', async () => {
    const generation = await generated({ pieces: sse(...whole).flatMap((piece) => [piece, 5]) });
    expect(generation).toMatchObject({
      outcome: { status: 'ok' },
      usage: { prompt: 5, completion: 3, cached: null, from: 'usage' },
      ...{ clientTokens: null, events: 3, finishReason: 'length', retries: 0, replica: null },
    });
    const { sentNs, firstTokenNs, answerNs, lastTokenNs, endedNs } = generation.times;
    expect(answerNs).toBe(firstTokenNs);
    expect([sentNs, firstTokenNs, lastTokenNs, endedNs]).toEqual(
      [sentNs, firstTokenNs, lastTokenNs, endedNs].toSorted((a, b) => a! - b!),
    );
    expect(generation.tokenGapsNs).toHaveLength(2);
    expect(generation.tokenGapsNs![0]! + generation.tokenGapsNs![1]!).toBe(lastTokenNs! - firstTokenNs!);
  });

  it('in one piece has one time for all its events', async () => {
    const { times, tokenGapsNs } = await generated({ pieces: [sse(...whole).join('')] });
    expect(times.firstTokenNs).toBe(times.lastTokenNs);
    expect(tokenGapsNs).toEqual([0, 0]);
  });

  it('cut anywhere into pieces, with pings and CRLF, is the same', async () => {
    const stream = sse(role, text('süß'), text('🦙'), text('c', 'length'), usage(3)).join(': ping\n\n');
    const bytes = Buffer.from(stream.replaceAll('\n', '\r\n'));
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) =>
      bytes.subarray(at * 7, at * 7 + 7),
    );
    expect(await generated({ pieces: pieces.flatMap((piece) => [piece, 0]) })).toMatchObject({
      ...{ outcome: { status: 'ok' }, events: 3, usage: { completion: 3 } },
    });
  });

  it('has no token gaps where an event held several tokens, and counts tokens that are counted on the way', async () => {
    const several = [role, text('a'), text('b c', 'length'), usage(3)];
    expect(await generated({ pieces: sse(...several) })).toMatchObject({
      tokenGapsNs: null,
      clientTokens: null,
    });
    const counted = several.map((event, at) => ({ ...event, usage: usage([0, 1, 3, 3][at]!).usage }));
    const generation = await generated({ pieces: sse(...counted) }, { owner: 'vllm' });
    expect(generation).toMatchObject({ outcome: { status: 'ok' }, tokenGapsNs: null, clientTokens: 3 });
  });

  it('ends with [DONE], though the server keeps the connection open', async () => {
    const { server, opened } = await endpoint({ pieces: sse(...whole), end: 'hang' });
    expect((await opened.generate(request, { deadlineMs: null })).outcome).toEqual({ status: 'ok' });
    await server.until(({ requests }) => requests.at(-1)!.aborted);
  });

  it('is whole where the connection breaks after it', async () => {
    expect(await generated({ pieces: sse(...whole), end: 'cut' })).toMatchObject({
      outcome: { status: 'ok' },
    });
  });
});

const page = { headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' };
const html: PlayedAnswer = page;
const cases: [what: string, answer: PlayedAnswer, code: string, message: RegExp][] = [
  [
    'an error inside the stream',
    { pieces: sse(role, { error: { message: 'no memory' } }) },
    'stream-error',
    /no memory/,
  ],
  [
    'an error instead of a stream',
    { body: { error: { message: 'no memory' } } },
    'stream-error',
    /no memory/,
  ],
  ['a stream that ends early', { pieces: [sse(role, text('a'))[1]!] }, 'stream-cut', /before the answer did/],
  [
    'a connection that breaks',
    { pieces: sse(role, text('a')).slice(0, 2), end: 'cut' },
    'stream-cut',
    /connection broke/,
  ],
  [
    'half an event',
    { pieces: [sse(role, text('a'))[1]!, 'data: {"cho'] },
    'stream-cut',
    /before the answer did/,
  ],
  ['no usage', { pieces: sse(role, text('a', 'stop')) }, 'usage-missing', /no number of tokens/],
  [
    'an event that is no JSON',
    { pieces: ['data: <html>\n\n'], end: 'hang' },
    'bad-stream',
    /no JSON: <html>/,
  ],
  ['a page of HTML', html, 'bad-stream', /text\/html/],
  ['an answer that is not streamed', { body: whole[4] }, 'bad-stream', /application\/json, not a stream/],
  ['something that is no stream', { pieces: ['hello'] }, 'bad-stream', /no stream of events/],
  ['400', { status: 400, body: { error: { message: 'too long' } } }, 'request-refused', /HTTP 400: too long/],
  ['422', { status: 422, body: { detail: [{ msg: 'no field' }] } }, 'request-refused', /HTTP 422: no field/],
  ['500', { status: 500, body: 'Internal Server Error' }, 'server-failed', /HTTP 500: Internal/],
  ['429', { status: 429, body: '' }, 'rate-limited', /HTTP 429/],
  ['503', { status: 503, body: { error: 'busy' } }, 'server-overloaded', /HTTP 503: busy/],
  ['a connection that breaks at once', { pieces: [], end: 'cut' }, 'stream-cut', /connection broke/],
];

describe('a failure is an outcome of its own:', () => {
  it.each(cases)('%s', async (_, answer, code, message) => {
    const { outcome } = await generated(answer);
    expect(outcome).toEqual(failed(code, expect.stringMatching(message)));
  });

  it('a stream without end, by its tokens and by its bytes', async () => {
    function* endless(piece: string) {
      for (;;) yield piece;
    }
    const tokens = await endpoint({ pieces: endless(sse(text('a'))[0]!) });
    const { outcome, events } = await tokens.opened.generate(request, { deadlineMs: null });
    expect(outcome).toEqual(failed('stream-endless', expect.stringContaining('3 tokens were asked for')));
    expect(events).toBeLessThan(1100);
    await tokens.server.until(({ requests }) => requests.at(-1)!.aborted);
    const pings = await generated({ pieces: endless(`: ${'x'.repeat(2 ** 16)}\n`) });
    expect(pings.outcome).toEqual(failed('stream-endless', expect.stringContaining('bytes')));
  });

  it('a deadline, of which the server learns', async () => {
    const { server, opened } = await endpoint({ pieces: sse(role, text('a')).slice(0, 2), end: 'hang' });
    const { outcome, events, times } = await opened.generate(request, { deadlineMs: 100 });
    expect(outcome).toEqual(failed('deadline-exceeded', expect.stringContaining('100 ms')));
    expect([events, times.lastTokenNs]).toEqual([1, times.firstTokenNs]);
    await server.until(({ requests }) => requests.at(-1)!.aborted);
    await server.until((played) => played.openConnections() === 0);
  });

  it('being stopped, before it is sent or while it hangs', async () => {
    const { server, opened } = await endpoint({ end: 'hang' });
    const stop = new AbortController();
    const hangs = opened.generate(request, { deadlineMs: null, signal: stop.signal });
    await server.until(({ requests }) => requests.at(-1)!.method === 'POST');
    stop.abort();
    expect((await hangs).outcome).toEqual(failed('interrupted'));
    const asked = server.requests.length;
    expect((await opened.generate(request, { deadlineMs: null, signal: stop.signal })).outcome).toEqual(
      failed('interrupted'),
    );
    expect(server.requests).toHaveLength(asked);
  });

  it('a prompt that the API does not take', async () => {
    const { opened } = await endpoint({});
    const ids = { ...request, prompt: { kind: 'ids' as const, ids: [1] } };
    expect((await opened.generate(ids, { deadlineMs: null })).outcome).toEqual(
      failed('request-failed', 'chat takes no token ids'),
    );
  });

  it('a server that is gone, until it is back', async () => {
    const { server, opened } = await endpoint({ pieces: sse(...whole) });
    const outcome = async () => (await opened.generate(request, { deadlineMs: null })).outcome;
    expect(await outcome()).toEqual({ status: 'ok' });
    await server.close();
    expect(await outcome()).toEqual(failed('connection-failed', expect.stringContaining('No answer')));
    expect(await outcome()).toEqual(
      failed('connection-failed', expect.stringContaining('nothing listens there')),
    );
    const back = await playServer({ [path]: { pieces: sse(...whole) } }, { port: server.port });
    closes.push(() => back.close());
    expect(await outcome()).toEqual({ status: 'ok' });
  });
});

describe('secrets', () => {
  it('go to no other address, and into no message', async () => {
    const other = await playServer({ [path]: { pieces: sse(...whole) } });
    closes.push(() => other.close());
    const headers = { location: `${other.url}/chat/completions` };
    const moved = await generated({ status: 307, headers, body: '' }, { apiKey: secret });
    expect(moved.outcome).toEqual(failed('endpoint-redirected', expect.stringContaining(other.origin)));
    expect(other.requests).toEqual([]);
    const options = { apiKey: secret, headers: { 'x-token': 'other-secret' } };
    for (const answer of [
      { status: 401, body: { error: { message: `bad key ${secret}, other-secret` } } },
      { pieces: sse({ error: `bad key ${secret}, other-secret` }) },
      { pieces: [`data: bad key ${secret}, other-secret\n\n`] },
    ]) {
      const { outcome } = await generated(answer, options);
      expect(outcome).toEqual(
        failed(expect.any(String) as never, expect.stringContaining('bad key ***, ***')),
      );
    }
  });
});

describe('429 and 503', () => {
  const busyAtFirst =
    (status: number, headers: Record<string, string> = {}) =>
    (_: unknown, nth: number): PlayedAnswer =>
      nth < 2 ? { status, headers, body: 'busy' } : { pieces: sse(...whole) };

  it.each([429, 503])('%d is sent again after the time that the server says, and counted', async (status) => {
    const { server, opened } = await endpoint(busyAtFirst(status, { 'retry-after': '0.05' }), { retries: 2 });
    const { outcome, retries, times } = await opened.generate(request, { deadlineMs: null });
    expect({ outcome, retries }).toEqual({ outcome: { status: 'ok' }, retries: 2 });
    // Timers never fire early: latency has both waits in it.
    expect(times.firstTokenNs! - times.sentNs).toBeGreaterThanOrEqual(98e6);
    expect(server.requests.filter(({ method }) => method === 'POST')).toHaveLength(3);
  });

  it('is sent no more often than asked for, nor after longer than a minute', async () => {
    const once = await generated(busyAtFirst(429, { 'retry-after': '0' }), { retries: 1 });
    expect(once).toMatchObject({ outcome: failed('rate-limited'), retries: 1 });
    const date = new Date(Date.now() + 3600e3).toUTCString();
    const late = await generated(busyAtFirst(503, { 'retry-after': date }), { retries: 5 });
    expect(late).toMatchObject({
      outcome: failed('server-overloaded', expect.stringMatching(/again in 3[56]\d\d s/)),
      retries: 0,
    });
  });

  it('is waited out until the deadline only', async () => {
    const waits = await generated(
      busyAtFirst(429, { 'retry-after': '30' }),
      { retries: 1 },
      { deadlineMs: 50 },
    );
    expect(waits).toMatchObject({ outcome: failed('deadline-exceeded') });
  });
});

describe('requests at once', () => {
  it('share as many connections as are asked for, and one signal', async () => {
    const { server, opened } = await endpoint(
      { pieces: [sse(...whole)[0]!, 5, ...sse(...whole).slice(1)] },
      { connections: 4 },
    );
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const { signal } = new AbortController();
    const all = await Promise.all(
      Array.from({ length: 40 }, () => opened.generate(request, { deadlineMs: 20_000, signal })),
    );
    process.off('warning', listen);
    expect(all.map(({ outcome }) => outcome.status)).toEqual(Array(40).fill('ok'));
    expect(server.openConnections()).toBeLessThanOrEqual(4);
    expect(warnings).toEqual([]);
  });
});
