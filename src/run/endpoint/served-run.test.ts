import { lookup } from 'node:dns/promises';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { renderReport } from '../../cli/report-text.js';
import { isOk, type Result } from '../../core/result.js';
import { lacksOpenssl, modelList, sse } from '../../engines/endpoint/played-server.test-support.js';
import { renderPage } from '../../report/html/page.js';
import { bench, folder, out } from '../testing/driven-bench.js';
import {
  benchServed,
  chat,
  inTurn,
  oneCell,
  play,
  playKind,
  posts,
  refusal,
  whole,
} from '../testing/served-bench.js';

// What this machine is does not change meanwhile, and finding it out takes most of a short run.
vi.mock(import('../../sensors/inventory.js'), async (original) => {
  const { takeInventory } = await original();
  let taken: ReturnType<typeof takeInventory> | undefined;
  return {
    takeInventory: () => {
      taken ??= takeInventory();
      return taken;
    },
  };
});
// A name of this machine may be taken for one beyond it; connections ask elsewhere.
vi.mock(import('node:dns/promises'), async (original) => {
  const dns = await original();
  return { ...dns, lookup: vi.fn(dns.lookup) as never };
});

const secret = 'sk-very-secret';
const outcomes = ({ requests }: Result) =>
  requests.map(({ outcome }) => (outcome.status === 'failed' ? outcome.code : 'ok'));
const said = (content: string, finish: string | null = null) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: finish }],
});
const usage = (completion: number) => ({
  choices: [],
  usage: { prompt_tokens: 8, completion_tokens: completion, total_tokens: 8 + completion },
});
const terminal = { width: 120, color: false };

describe('an endpoint that cannot be used', () => {
  const served = { 'GET /v1/models': modelList('small', 'large') };

  it.each([
    ['is no server of models', {}, '/v1', {}, /^2 endpoint-not-llm: /],
    [
      'is a page',
      {
        'GET /v1/models': {
          headers: { 'content-type': 'text/html' },
          body: '<!doctype html><title>Hi</title>',
        },
      },
      '/v1',
      {},
      /^2 endpoint-not-llm: .*HTML \("Hi"\)/,
    ],
    ['lacks /v1', served, '', {}, /^2 endpoint-wrong-path: .*--endpoint http:.*\/v1\.$/],
    ['is a path of the API', served, '/v1/chat/completions', {}, /^2 endpoint-wrong-path: .*\/v1\.$/],
    ['serves other models', served, '/v1', { models: ['smal'] }, /^2 model-not-served: .*"small", "large"/],
    ['serves several', served, '/v1', {}, /^2 served-model-unnamed: .*"small", "large"/],
    ['wants a key', { 'GET /v1/models': { status: 401, body: '' } }, '/v1', {}, /^2 endpoint-unauthorised: /],
  ] as const)('%s', async (_, script, path, options, message) => {
    const { origin } = await play(script);
    expect(await refusal({ endpoint: [origin + path], ...options })).toMatch(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is not there', async () => {
    const { url, close } = await play({});
    await close();
    expect(await refusal({ endpoint: [url] })).toMatch(/^2 endpoint-unreachable: .*ECONNREFUSED/);
  });

  it('redirects to another host, where no key is sent', async () => {
    vi.stubEnv('SERVED_KEY', secret);
    const other = await playKind('openai');
    const headers = { location: `${other.url}/models` };
    const { url } = await play({ 'GET /v1/models': { status: 307, headers, body: '' } });
    expect(await refusal({ endpoint: [url], apiKeyEnv: 'SERVED_KEY' })).toMatch(/^2 endpoint-redirected: /);
    expect(other.requests).toEqual([]);
  });

  it.skipIf(lacksOpenssl)('has a certificate that nobody signed, until it is trusted', async () => {
    const server = await playKind('openai', {}, { tls: true });
    const endpoint = [server.url];
    expect(await refusal({ endpoint })).toMatch(/^2 endpoint-certificate: .*--ca FILE/);
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, server.certificate!);
    const { result } = await benchServed({ endpoint, ca });
    expect(outcomes(result)).toEqual(['ok']);
  });
});

describe('a key', () => {
  it('is sent, and stands in no file, report or log', async () => {
    vi.stubEnv('SERVED_KEY', secret);
    const header = `x-team=${secret}-too`;
    const server = await playKind('openai', {
      'GET /v1/models': ({ headers }) =>
        headers.authorization === `Bearer ${secret}`
          ? modelList('played')
          : { status: 401, body: { error: `no such key: ${headers.authorization}` } },
      [chat]: inTurn([whole, { status: 400, body: { error: `bad ${secret}, ${secret}-too` } }]),
    });
    let journal = '';
    const { result } = await benchServed({
      ...{ endpoint: [server.url], apiKeyEnv: 'SERVED_KEY', header: [header], suite: oneCell(3) },
      command: `tokenwork bench --header '${header}'`,
      onProgress: ({ phase }) => {
        if (phase === 'measuring') journal += readFileSync(`${out}.journal.jsonl`, 'utf8');
      },
    });
    expect(outcomes(result)).toEqual(['ok', 'request-refused', 'request-refused']);
    expect(posts(server).every(({ headers }) => headers['x-team'] === `${secret}-too`)).toBe(true);
    const findings = findingsOf(result);
    const report = renderReport(result, out, { ...terminal, full: true }, findings);
    expect(journal).toContain('"kind":"request"');
    expect(
      [journal, readFileSync(out, 'utf8'), report, renderPage([{ result, findings }])].join(),
    ).not.toContain(secret);
    expect(result.run.settings).toMatchObject({ apiKeyEnv: 'SERVED_KEY', headers: ['x-team'] });
  });

  it('is missed where its variable is not set', async () => {
    const { url, requests } = await playKind('openai');
    expect(await refusal({ endpoint: [url], apiKeyEnv: 'NOT_SET_ANYWHERE' })).toMatch(
      /^2 api-key-missing: .*NOT_SET_ANYWHERE holds no key/,
    );
    expect(requests).toEqual([]);
  });

  it.each([
    ['endpoint', `http://user:${secret}@127.0.0.1:1/v1`],
    ['endpoint', `http://127.0.0.1:1/v1?api_key=${secret}`],
    ['metricsUrl', `http://user:${secret}@127.0.0.1:1/metrics`],
    ['header', `Bearer ${secret}`],
  ])('is refused in %s, and not repeated', async (name, value) => {
    const said = await refusal({ endpoint: ['http://127.0.0.1:1/v1'], [name]: [value] });
    expect(said).toMatch(/^2 bad-option: /);
    expect(said).not.toContain(secret);
    expect(said).toMatch(name === 'header' ? /NAME=VALUE/ : /--header/);
  });
});

describe('options', () => {
  const endpoint = ['http://127.0.0.1:1/v1'];
  it.each([
    [
      'a device beside a server',
      { endpoint, device: 'cpu' as const },
      /--device is for models in this process/,
    ],
    [
      'a pipeline beside a server',
      { endpoint, pipeline: 'agent' },
      /--pipeline is for models in this process/,
    ],
    [
      'a dtype without a shape',
      { endpoint, dtype: 'q4' as const },
      /--dtype is of the model that --shape names/,
    ],
  ])('%s are refused', async (_, options, message) => {
    expect(await refusal(options)).toMatch(message);
  });

  it('of a server are refused without one', async () => {
    await expect(bench({ rate: 3 })).rejects.toMatchObject({
      code: 'bad-option',
      message: '--rate is for servers, and none is named.',
    });
  });

  it.each([
    [{ rate: 3, concurrency: 2 }, /--concurrency belongs to a closed loop/],
    [{ maxInFlight: 3 }, /--max-in-flight is of an open loop/],
    [{ catchUp: true }, /--catch-up is of an open loop/],
    [{ arrivals: 'trace' }, /none was given/],
    [{ models: ['a', 'b', 'c'] }, /3 models are named for 1 endpoint/],
    [{ serverPid: 2 ** 30, sensors: 'auto' as const }, /--server-pid 1073741824 is no process/],
  ])('%j of one server are refused', async (options, message) => {
    const { url } = await playKind('openai');
    const said = await refusal({ endpoint: [url], ...options });
    expect(said).toMatch(/^2 bad-option: /);
    expect(said).toMatch(message);
  });

  it('name no one process for two servers', async () => {
    const { url } = await playKind('openai');
    const pid = { serverPid: process.pid, sensors: 'auto' as const };
    expect(await refusal({ endpoint: [url, url], ...pid })).toMatch(/--server-pid names one process, and/);
  });
});

const [first, ...rest] = sse(said('a'), said('b'), said('c'), said('d', 'length'), usage(4));
function* endless() {
  for (;;) yield first!;
}

describe('a request that fails', () => {
  const turns = [
    { answers: [whole], outcome: 'ok' },
    { answers: [{ status: 429, headers: { 'retry-after': '0.01' }, body: 'busy' }, whole], outcome: 'ok' },
    {
      answers: Array(2).fill({ status: 429, headers: { 'retry-after': '0' }, body: 'busy' }),
      outcome: 'rate-limited',
    },
    {
      answers: Array(2).fill({ status: 503, headers: { 'retry-after': '0' }, body: 'busy' }),
      outcome: 'server-overloaded',
    },
    { answers: [{ status: 500, body: 'out of memory' }], outcome: 'server-failed' },
    {
      answers: [{ pieces: [first!, 'data: {"error":{"message":"gone","code":500}}\n\n'] }],
      outcome: 'stream-error',
    },
    { answers: [{ pieces: [first!], end: 'cut' }], outcome: 'stream-cut' },
    { answers: [{ pieces: [first!, 'data: {"choices":[{"delta'], end: 'cut' }], outcome: 'stream-cut' },
    { answers: [{ pieces: [first!, 'data: {"choices":[{"delta\n\n'] }], outcome: 'bad-stream' },
    { answers: [{ pieces: sse(said('a'), said('b', 'length')) }], outcome: 'usage-missing' },
    {
      answers: [{ pieces: sse(said('a'), said('b'), said('c'), said('d', 'length'), usage(3), usage(4)) }],
      outcome: 'ok',
    },
    { answers: [{ pieces: endless() }], outcome: 'stream-endless' },
    {
      answers: [{ headers: { 'content-type': 'text/html' }, body: '<title>Hi</title>' }],
      outcome: 'bad-stream',
    },
    { answers: [{ pieces: [first!, 5, ...rest] }], outcome: 'ok' },
  ] as const;

  it('is an outcome of its own, counted beside those that finished and in none of their figures', async () => {
    const answers = turns.flatMap((turn) => [...turn.answers]);
    const server = await playKind('openai', { [chat]: inTurn(answers) });
    const options = { endpoint: [server.url], retries: 1, suite: oneCell(turns.length) };
    const { result } = await benchServed(options);
    expect(outcomes(result)).toEqual(turns.map(({ outcome }) => outcome));
    expect(posts(server)).toHaveLength(answers.length);
    expect(result.run.complete).toBe(true);
    const ok = result.requests.filter(isOk);
    for (const { tokens } of ok) expect(tokens).toMatchObject({ prompt: 8, completion: 4 });
    expect(ok.map(({ served }) => served!.retries)).toEqual([0, 1, 0, 0]);
    expect(result.warnings.map(({ code }) => code)).toContain('requests-retried');

    const kinds = new Set(outcomes(result).filter((code) => code !== 'ok'));
    const findings = findingsOf(result);
    const report = renderReport(result, out, { ...terminal, full: true }, findings);
    const page = renderPage([{ result, findings }]);
    expect(report).toMatch(/10 of 14 requests failed/);
    for (const kind of kinds) {
      expect(report).toContain(kind);
      expect(page).toContain(kind);
    }
    // Those that finished alone give the same figures.
    const alone = findingsOf({ ...result, requests: ok });
    expect(findings.uniformity).toEqual(alone.uniformity);
    expect(findings.workload).toMatchObject({ requests: 4, failed: 10 });
    const row = (text: string) => /^p8\/c4 .*$/m.exec(text)![0].split(/\s+/);
    const without = renderReport({ ...result, requests: ok }, out, { ...terminal, full: true }, alone);
    expect(row(report).slice(0, row(without).length)).toEqual(row(without));
  });
});

describe('a request that hangs', () => {
  it('ends at its deadline, before its first token or after it', async () => {
    const hanging = [{ end: 'hang' }, { pieces: [first!], end: 'hang' }] as const;
    const server = await playKind('openai', { [chat]: inTurn(hanging) });
    const options = { endpoint: [server.url], deadlineMs: 80, suite: oneCell(2) };
    const { result } = await benchServed(options);
    expect(outcomes(result)).toEqual(['deadline-exceeded', 'deadline-exceeded']);
    expect(result.requests.every(({ times }) => times !== null)).toBe(true);
  });
});

describe('a proxy that holds answers back', () => {
  it('is warned of, as times to first token mean nothing', async () => {
    const pieces = [
      60,
      sse(...Array.from({ length: 15 }, () => said('a')), said('b', 'length'), usage(16)).join(''),
    ];
    const { url } = await playKind('openai', { [chat]: { pieces } });
    const { result } = await benchServed({ endpoint: [url] });
    expect(result.warnings.map(({ code }) => code)).toContain('stream-buffered');
  });
});

describe('two servers', () => {
  it('get the same requests in turn, and have cells of their own', async () => {
    const [one, other] = [await playKind('vllm'), await playKind('vllm')];
    const { result } = await benchServed({ endpoint: [one.url, other.url], suite: oneCell(3), seed: 4 });
    const texts = (server: typeof one) =>
      posts(server)
        .filter(({ path }) => path !== '/tokenize')
        .map(({ body }) => JSON.stringify(body));
    expect(texts(one)).toHaveLength(3);
    expect(new Set(texts(one)).size).toBe(3);
    expect([...texts(one)].sort()).toEqual([...texts(other)].sort());
    const ids = [one, other].map(({ port }) => `played@127.0.0.1:${port}`);
    expect(result.models.map(({ id }) => id)).toEqual(ids);
    expect(result.cells.map(({ id }) => id)).toEqual(ids.map((id) => `${id}/p8/c4`));
    // Each pair is of both.
    const cells = result.requests.map(({ cell }) => cell);
    for (const at of [0, 2, 4]) expect(new Set(cells.slice(at, at + 2)).size).toBe(2);
  });

  it('may be the same one twice, to see how far equal sides differ', async () => {
    const { url, port } = await playKind('openai');
    const { result } = await benchServed({ endpoint: [url, url], models: ['played'] });
    expect(result.models.map(({ id }) => id)).toEqual([
      `played@127.0.0.1:${port}`,
      `played@127.0.0.1:${port}#2`,
    ]);
    expect(outcomes(result)).toEqual(['ok', 'ok']);
  });
});

describe('a public host', () => {
  it('is sent no text before somebody agrees to how many tokens it may bill', async () => {
    const server = await playKind('vllm');
    vi.mocked(lookup).mockResolvedValue([{ address: '203.0.113.7', family: 4 }] as never);
    const endpoint = [server.url.replace('127.0.0.1', 'localhost')];
    const suite = oneCell(3);
    const said = await refusal({ endpoint, suite });
    expect(said).toMatch(
      /^2 public-endpoint: 3 requests would be sent to localhost:\d+.*24 prompt tokens and up to 12 completion tokens.*--yes/,
    );
    expect(posts(server)).toEqual([]);
    const asked: string[] = [];
    const confirm = async (question: string) => {
      asked.push(question);
      expect(posts(server)).toEqual([]);
      return true;
    };
    expect(outcomes((await benchServed({ endpoint, suite, confirm })).result)).toEqual(['ok', 'ok', 'ok']);
    expect(asked).toHaveLength(1);
  });
});
