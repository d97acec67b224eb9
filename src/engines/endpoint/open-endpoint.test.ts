import { afterEach, describe, expect, it } from 'vitest';
import { TokenworkError } from '../../core/errors.js';
import type { EndpointOptions } from './endpoint.js';
import { openEndpoint } from './open-endpoint.js';
import {
  lacksOpenssl,
  modelList,
  type PlayedServer,
  type PlayOptions,
  playServer,
  type Script,
} from './played-server.test-support.js';

const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closes.splice(0).map((close) => close()));
});

async function play(script: Script, options?: PlayOptions): Promise<PlayedServer> {
  const server = await playServer(script, options);
  closes.push(() => server.close());
  return server;
}

async function open(url: string, options: Partial<EndpointOptions> = {}) {
  const endpoint = await openEndpoint({
    url,
    api: 'auto',
    connections: 1,
    retries: 0,
    now: () => 0,
    ...options,
  });
  closes.push(() => endpoint.close());
  return endpoint;
}

/** Code, message and hint as one text. */
async function failure(url: string, options?: Partial<EndpointOptions>): Promise<string> {
  const thrown = await open(url, options).then(
    () => 'it opened',
    (error: unknown) => error,
  );
  if (!(thrown instanceof TokenworkError)) throw thrown;
  return `${thrown.code}: ${thrown.message} ${thrown.hint}`;
}

const models = { 'GET /v1/models': modelList('small', 'large') };
const secret = 'sk-very-secret';

describe('an address', () => {
  it('is recorded without user, password and query, which go to the server', async () => {
    const server = await play(models);
    const url = `${server.url.replace('//', '//user:pass%20word@')}/?token=${secret}`;
    const { record } = await open(url, { model: 'small' });
    expect(record).toMatchObject({ url: server.url, onThisMachine: true });
    expect(JSON.stringify(record)).not.toMatch(/pass|secret/);
    expect(server.requests[0]).toMatchObject({
      path: `/v1/models?token=${secret}`,
      headers: { authorization: `Basic ${btoa('user:pass word')}` },
    });
  });

  it.each([
    ['localhost:8000/v1', 'Did you mean "http://localhost:8000/v1"?'],
    ['127.0.0.1:8000', 'Did you mean "http://127.0.0.1:8000"?'],
    ['ftp://user:password@host/v1', 'such as http://'],
    ['http://[/v1', 'such as http://'],
  ])('%s is none', async (url, hint) => {
    const said = await failure(url);
    expect(said).toMatch(/^bad-endpoint-url: /);
    expect(said).toContain(hint);
    expect(said).not.toContain('password');
  });

  it.each(['', '/', '/v1/chat/completions', '/v1/models', '/other'])(
    'with path %j is answered with the one to use',
    async (path) => {
      const { origin, url } = await play(models);
      expect(await failure(`${origin}${path}`)).toMatch(
        new RegExp(`^endpoint-wrong-path: .*--endpoint ${url}\\.$`),
      );
    },
  );

  it('may have another path, if it has the list of models', async () => {
    const { origin } = await play({ 'GET /openai/models': modelList('m') });
    expect((await open(`${origin}/openai/`)).record).toMatchObject({ url: `${origin}/openai`, model: 'm' });
  });
});

describe('a server', () => {
  it('that is not there is unreachable', async () => {
    const { url, close } = await play({});
    await close();
    expect(await failure(url)).toMatch(/^endpoint-unreachable: .*nothing listens there \(ECONNREFUSED\)/);
  });

  it('of pages is told by their title', async () => {
    const page = { headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>Router</title>' };
    const { url } = await play({ 'GET /v1/models': page });
    expect(await failure(url)).toMatch(/^endpoint-not-llm: .*a page of HTML \("Router"\), not JSON/);
  });

  it.each([
    ['JSON of another kind', { body: { data: 'x' } }, 'JSON that is no list of models'],
    ['a list of 50 MB', { body: ' '.repeat(50e6) }, 'more than 8 MiB'],
  ])('that answers %s is none of models', async (_, answer, what) => {
    const { url } = await play({ 'GET /v1/models': answer });
    expect(await failure(url)).toMatch(/^endpoint-not-llm: /);
    expect(await failure(url)).toContain(what);
  });

  it('with nothing of the kind is none of models', async () => {
    expect(await failure((await play({})).url)).toMatch(/^endpoint-not-llm: .*no \/models/);
  });

  it('that fails is said to', async () => {
    const loading = { status: 503, body: { error: { message: 'Loading model' } } };
    const { url } = await play({ 'GET /v1/models': loading });
    expect(await failure(url)).toMatch(/^endpoint-failed: .*HTTP 503 \("Loading model"\)/);
  });

  it.each([401, 403])('that answers %d wants a key, and its words are not repeated', async (status) => {
    const { url } = await play({ 'GET /v1/models': { status, body: { error: `no such key: ${secret}` } } });
    expect(await failure(url)).toMatch(/^endpoint-unauthorised: .*wants a key.*--api-key-env NAME/);
    const refused = await failure(url, { apiKey: secret });
    expect(refused).toMatch(/^endpoint-unauthorised: .*refuses the key/);
    expect(refused).not.toContain(secret);
  });

  it('is sent the key without the line break that a file leaves at its end', async () => {
    const { url, requests } = await play(models);
    await open(url, { apiKey: `${secret}\n`, headers: { 'X-Team': 'a' }, model: 'small' });
    const sent = { authorization: `Bearer ${secret}`, 'x-team': 'a' };
    expect(requests.every(({ headers }) => headers.authorization === sent.authorization)).toBe(true);
    expect(requests[0]!.headers).toMatchObject(sent);
  });

  it('is sent no header that would hold another', async () => {
    const { url, requests } = await play(models);
    const said = await failure(url, { apiKey: `${secret}\nX-Other: 1` });
    expect(said).toMatch(/^bad-option: The key of the API cannot be sent/);
    expect(said).not.toContain(secret);
    expect(requests).toEqual([]);
  });
});

describe('a redirect', () => {
  it('to another origin is not followed, so that no key goes there', async () => {
    const other = await play(models);
    const location = `${other.url}/models?token=${secret}`;
    const { url } = await play({ 'GET /v1/models': { status: 307, headers: { location }, body: '' } });
    const said = await failure(url, { apiKey: secret });
    expect(said).toMatch(new RegExp(`^endpoint-redirected: .*--endpoint ${other.url}\\.$`));
    expect(said).not.toContain(secret);
    expect(other.requests).toEqual([]);
  });

  it('within the origin is followed, and no further than a few times', async () => {
    const to = (location: string) => ({ status: 301, headers: { location }, body: '' });
    const { url } = await play({ 'GET /v1/models': to('/v1/models/'), 'GET /v1/models/': modelList('m') });
    expect((await open(url)).record.model).toBe('m');
    const circle = await play({ 'GET /v1/models': to('/v1/models') });
    expect(await failure(circle.url)).toMatch(/^endpoint-redirected: .*again and again/);
  });
});

describe('a model', () => {
  it('that is not served is answered with those that are', async () => {
    const { url } = await play(models);
    expect(await failure(url, { model: 'smal' })).toMatch(
      /^model-not-served: .*does not serve "smal"\. Did you mean "small"\? It serves "small", "large"\.$/,
    );
  });

  it('is to be named where there are several', async () => {
    const { url } = await play(models);
    expect(await failure(url)).toMatch(/^served-model-unnamed: .*2 models.*--model: "small", "large"\.$/);
  });

  it('of a list of thousands is answered with some of them', async () => {
    const { url } = await play({
      'GET /v1/models': modelList(...Array.from({ length: 3000 }, (_, at) => `m${at}`)),
    });
    expect(await failure(url)).toContain('"m19" and 2980 others');
  });

  it('is the one that is served, recorded without the folder it lies in', async () => {
    const { url } = await play({ 'GET /v1/models': modelList('/home/me/models/a.gguf') });
    expect((await open(url)).record).toMatchObject({ model: 'a.gguf', served: ['a.gguf'] });
    expect((await open(url, { model: 'a.gguf' })).record.model).toBe('a.gguf');
  });

  it('has a tag in Ollama that need not be named', async () => {
    const { url } = await play({ 'GET /v1/models': modelList('qwen:latest', 'qwen:4b') });
    expect((await open(url, { model: 'qwen' })).record.model).toBe('qwen:latest');
  });
});

describe.skipIf(lacksOpenssl)('TLS', () => {
  it('is trusted with the certificate of --ca alone', async () => {
    const { url, certificate } = await play({ 'GET /v1/models': modelList('m') }, { tls: true });
    expect(await failure(url)).toMatch(/^endpoint-certificate: .*not trusted.*--ca FILE/);
    expect((await open(url, { certificateAuthority: certificate! })).record.model).toBe('m');
    expect(await failure(url, { certificateAuthority: 'no PEM' })).toMatch(/^endpoint-certificate: .*--ca/);
  });

  it('is told from its absence', async () => {
    const plain = await play({});
    expect(await failure(plain.url.replace('http', 'https'))).toMatch(
      /^endpoint-certificate: .*begin.*http:/,
    );
    const tls = await play({}, { tls: true });
    expect(await failure(tls.url.replace('https', 'http'))).toMatch(/^endpoint-not-llm: .*begin.*https:/);
  });
});
