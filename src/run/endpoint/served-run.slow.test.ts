/** Runs on servers that take seconds: of the command itself, of floods and crashes, and of llama-server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isOk, type Result } from '../../core/result.js';
import {
  type LlamaServer,
  lacksLlamaServer,
  llamaServer,
} from '../../engines/endpoint/llama-server.test-support.js';
import { modelList, type PlayedServer, sse } from '../../engines/endpoint/played-server.test-support.js';
import { readJournal } from '../../journal/read.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { bench, folder, out, writeSuite } from '../testing/driven-bench.js';
import { benchServed, chat, oneCell, playKind, posts, whole } from '../testing/served-bench.js';

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const secret = 'sk-very-secret';
const journalPath = () => `${out}.journal.jsonl`;
const saved = (path = out): Result => JSON.parse(readFileSync(path, 'utf8'));
const outcomes = ({ requests }: Result) =>
  requests.map(({ outcome }) => (outcome.status === 'failed' ? outcome.code : 'ok'));
const codes = ({ warnings }: Result) => warnings.map(({ code }) => code);
const said = (content: string, finish: string | null = null) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: finish }],
});
const usage = (completion: number) => ({
  choices: [],
  usage: { prompt_tokens: 8, completion_tokens: completion, total_tokens: 8 + completion },
});

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** The command in a process of its own. */
function tokenwork(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { ...process.env, COLUMNS: '80', ...environment },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (text) => {
    stdout += text;
  });
  child.stderr!.on('data', (text) => {
    stderr += text;
  });
  const ended: Promise<Ended> = once(child, 'close').then(([status]) => ({ status, stdout, stderr }));
  return { child, ended };
}

const benchArgs = (url: string, repetitions: number) => [
  ...['bench', '--endpoint', url, '--suite', oneCell(repetitions), '--sensors', 'none', '--warmup', '0'],
  ...['--out', out],
];
const measuredPosts = (server: PlayedServer) => posts(server).length;

describe('the command', () => {
  it('ends with 0 where it measured, with 3 where every request failed, and logs no key', async () => {
    const keyed = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) =>
      headers.authorization === `Bearer ${secret}`
        ? modelList('played')
        : { status: 401, body: { error: { message: `${headers.authorization} is wrong` } } };
    const server = await playKind('openai', { 'GET /v1/models': keyed });
    const args = ['--verbose', ...benchArgs(server.url, 2)];
    const without = await tokenwork(args).ended;
    expect([without.status, without.stderr]).toEqual([
      2,
      expect.stringMatching(/wants a key.*--api-key-env NAME/s),
    ]);
    const environment = { SERVED_KEY: secret };
    const withKey = await tokenwork([...args, '--api-key-env', 'SERVED_KEY'], environment).ended;
    expect([withKey.status, withKey.stderr]).toEqual([0, expect.stringContaining('request 1: ok')]);
    expect(withKey.stdout + withKey.stderr + readFileSync(out, 'utf8')).not.toContain(secret);

    const busy = await playKind('openai', { [chat]: { status: 503, body: 'no place' } });
    const failed = await tokenwork([...benchArgs(busy.url, 2), '--force']).ended;
    expect([failed.status, failed.stderr]).toEqual([3, expect.stringContaining('Every request failed')]);
    expect(failed.stdout).toMatch(/2 of 2 requests failed.*server-overloaded/s);
    expect(outcomes(saved())).toEqual(['server-overloaded', 'server-overloaded']);
  });

  it('saves what has finished when it is stopped, and goes on with the same schedule', async () => {
    const server = await playKind('openai', {
      [chat]: (_, nth) => (nth < 3 ? whole : { pieces: [sse(said('a'))[0]!], end: 'hang' }),
    });
    const args = [...benchArgs(server.url, 8), '--rate', '10', '--seed', '3'];
    const { child, ended } = tokenwork(args);
    await server.until((played) => measuredPosts(played) >= 5);
    child.kill('SIGINT');
    const stopped = await ended;
    expect([stopped.status, stopped.stderr]).toEqual([3, expect.stringContaining('--resume')]);
    const before = saved();
    expect(before.run.complete).toBe(false);
    expect(outcomes(before).filter((code) => code === 'ok')).toHaveLength(3);
    const first = posts(server).map(({ body }) => JSON.stringify(body));
    await server.close();

    const again = await playKind('openai', {}, { port: server.port });
    const resumed = await tokenwork(['bench', '--resume', out, '--quiet']).ended;
    expect([resumed.status, resumed.stderr]).toEqual([0, '']);
    const result = saved();
    expect(outcomes(result)).toEqual(Array(8).fill('ok'));
    // Those that had finished are not sent again, and all others as they would have been.
    for (const id of before.requests.map((request) => request.id))
      expect(result.requests[id]).toEqual(before.requests.find((request) => request.id === id));
    const second = posts(again).map(({ body }) => JSON.stringify(body));
    const whole8 = await playKind('openai');
    await benchServed({ endpoint: [whole8.url], suite: oneCell(8), rate: 10, seed: 3, force: true });
    const undisturbed = posts(whole8).map(({ body }) => JSON.stringify(body));
    expect([...first.slice(0, 3), ...second]).toEqual(undisturbed);
  });

  it('goes on after it was killed', async () => {
    const server = await playKind('openai', {
      [chat]: (_, nth) => (nth < 3 ? whole : { pieces: [sse(said('a'))[0]!], end: 'hang' }),
    });
    const { child, ended } = tokenwork(benchArgs(server.url, 6));
    await server.until((played) => measuredPosts(played) >= 4);
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(out)).toBe(false);
    expect([...readJournal(journalPath()).entries].filter(({ kind }) => kind === 'request')).toHaveLength(3);
    await server.close();
    const again = await playKind('openai', {}, { port: server.port });
    const { status } = await tokenwork(['bench', '--resume', journalPath(), '--quiet']).ended;
    expect(status).toBe(0);
    expect(outcomes(saved())).toEqual(Array(6).fill('ok'));
    expect(posts(again)).toHaveLength(3);
  });

  it('shows its options within 80 columns, those of servers in groups of their own', async () => {
    const { stdout } = await tokenwork(['bench', '--help']).ended;
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    for (const group of ['Servers:', 'When requests are sent:'])
      expect(stdout).toMatch(new RegExp(`^${group}$`, 'm'));
  });
});

describe('a server', () => {
  it('that dies fails requests, until it is back', async () => {
    const server = await playKind('openai', { [chat]: { pieces: [sse(said('a'))[0]!], end: 'cut' } });
    const running = benchServed({
      ...{ endpoint: [server.url], suite: oneCell(12), rate: 5, arrivals: 'constant' },
    });
    await server.until((played) => measuredPosts(played) > 0);
    await server.close();
    await pause(700);
    await playKind('openai', {}, { port: server.port });
    const { result } = await running;
    expect(result.run.complete).toBe(true);
    const found = outcomes(result);
    expect(found).toHaveLength(12);
    expect(found).toContain('stream-cut');
    expect(found).toContain('connection-failed');
    expect(found.at(-1)).toBe('ok');
  });

  it('may send a million tokens, which take bounded memory', async () => {
    const tokens = 1_000_000;
    function* stream() {
      const event = sse(said('a'))[0]!;
      for (let sent = 1; sent < tokens; sent += 1000) yield event.repeat(Math.min(1000, tokens - sent));
      yield sse(said('b', 'length'), usage(tokens)).join('');
    }
    const server = await playKind(
      'openai',
      { [chat]: () => ({ pieces: stream() }) },
      { lifetimeMs: 120_000 },
    );
    const suite = writeSuite('million', {
      models: [{ model: 'served' }],
      design: [{ promptTokens: [8], completionTokens: [tokens] }],
      repetitions: 1,
    });
    const before = process.memoryUsage().rss;
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
    }, 50);
    const { result } = await benchServed({ endpoint: [server.url], suite });
    clearInterval(watch);
    expect(outcomes(result)).toEqual(['ok']);
    expect(result.requests.filter(isOk)[0]!.tokens.completion).toBe(tokens);
    expect((most - before) / 2 ** 20).toBeLessThan(300);
  });

  it('may have 50 MB of metrics, and counters that begin anew', async () => {
    const counter = (value: number) =>
      `# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{engine="0"} ${value}\n`;
    const filler = `${'# HELP other something that nobody asked for\nother{a="b"} 1\n'.repeat(20_000)}`;
    function* metrics() {
      for (let bytes = 0; bytes < 50e6; bytes += filler.length) yield filler;
      yield counter(5);
    }
    const large = await playKind('vllm', {
      'GET /metrics': () => ({ headers: { 'content-type': 'text/plain' }, pieces: metrics() }),
    });
    const resets = await playKind('vllm', {
      'GET /metrics': (_, nth) => ({ body: counter(nth % 6 < 3 ? 1000 + nth : nth) }),
      'POST /v1/completions': {
        pieces: [50, ...sse({ choices: [{ index: 0, text: 'a', finish_reason: 'length' }] }, usage(1))],
      },
    });
    for (const server of [large, resets]) {
      const { result } = await benchServed({
        ...{ endpoint: [server.url], metricsUrl: [`${server.origin}/metrics`], sensors: 'auto', force: true },
        ...{ suite: oneCell(10), calibrateForNs: 0 },
      });
      expect(outcomes(result)).toEqual(Array(10).fill('ok'));
      for (const { total, requests, idle, unattributed } of Object.values(result.conservation)) {
        expect(total).toBeGreaterThanOrEqual(0);
        expect(requests + (idle ?? 0) + unattributed).toBeCloseTo(total, -1);
      }
    }
  });
});

describe.skipIf(lacksLlamaServer ?? lacksShared)(
  `llama-server${lacksLlamaServer ? ` (${lacksLlamaServer})` : ''}`,
  () => {
    let server: LlamaServer;
    beforeAll(async () => {
      server = await llamaServer();
    });
    afterAll(() => server?.close());
    const gguf = () => sharedPath('models', 'stories260K', 'stories260K.gguf');
    const suite = (promptTokens = [8, 40]) =>
      writeSuite(`llama-${promptTokens}`, {
        models: [{ model: 'served' }],
        design: [{ promptTokens, completionTokens: [4, 16] }],
        repetitions: 3,
      });
    const measure = (options: Parameters<typeof bench>[0]) =>
      benchServed({ endpoint: [server.url], ...options });

    function expectExact(result: Result): void {
      expect(new Set(outcomes(result))).toEqual(new Set(['ok']));
      for (const { tokens, cell, served } of result.requests.filter(isOk)) {
        const { factors } = result.cells.find(({ id }) => id === cell)!;
        expect(tokens.completion).toBe(factors.completionTokens);
        expect(served!.clientTokens).toBe(tokens.completion);
        if (factors.promptTokens !== undefined) expect(tokens.prompt).toBe(factors.promptTokens);
      }
      expect(codes(result)).not.toContain('ledger-mismatch');
      expect(codes(result)).not.toContain('token-counts-differ');
    }

    it('is charged all of its CPU time, one request at a time', async () => {
      const { result } = await measure({ suite: suite(), shape: gguf(), sensors: 'auto', warmup: 1 });
      expectExact(result);
      expect(result.metrics.cpuTime).toMatchObject({ provenance: 'measured' });
      const { total, requests, idle, unattributed } = result.conservation.cpuTime!;
      expect(requests + (idle ?? 0) + unattributed).toBe(total);
      const sum = result.requests.filter(isOk).reduce((all, { work }) => all + work.cpuTime!, 0);
      expect(sum).toBeCloseTo(requests, 3);
      for (const { work } of result.requests.filter(isOk)) expect(work.flops).toBeGreaterThan(0);
    });

    it.each([
      ['an open loop', { rate: 20 }, 12],
      ['a sweep', { rate: '10..40', arrivals: 'sweep:3' }, 36],
      // The template of a chat takes some 40 tokens.
      ['chats', { api: 'chat' as const, suite: suite([64, 96]) }, 12],
    ])('answers %s', async (_, options, requests) => {
      const { result } = await measure({ suite: suite(), ...options });
      expectExact(result);
      expect(result.requests).toHaveLength(requests);
    });

    it('tells what it read from its cache of a trace with shared prefixes, at the times of the trace', async () => {
      const trace = join(folder, 'mooncake.jsonl');
      const lines = [
        { timestamp: 0, input_length: 300, output_length: 4, hash_ids: [1] },
        { timestamp: 400, input_length: 300, output_length: 4, hash_ids: [1] },
        { timestamp: 800, input_length: 320, output_length: 4, hash_ids: [2] },
      ];
      writeFileSync(trace, lines.map((line) => JSON.stringify(line)).join('\n'));
      const { result } = await measure({ suite: undefined, trace: { path: trace }, arrivals: 'trace' });
      expectExact(result);
      const ok = result.requests.filter(isOk);
      // It computes the last token of a prompt in any case.
      expect(ok.map(({ tokens }) => tokens.cached)).toEqual([0, 299, 0]);
      const due = ok.map(({ times }) => times.submitted - ok[0]!.times.submitted);
      expect(due.map((ns) => Math.round(ns / 1e6))).toEqual([0, 400, 800]);
    });

    it('takes conversations, and the suites that ship, without their pipelines and batches', async () => {
      const prompts = join(folder, 'own.jsonl');
      const messages = [{ role: 'user', content: 'Once upon a time' }];
      writeFileSync(prompts, JSON.stringify({ messages, max_tokens: 5 }));
      const own = (await measure({ suite: undefined, prompts: { path: prompts } })).result;
      expectExact(own);
      const quick = (await measure({ suite: 'quick', repetitions: 1, force: true })).result;
      expectExact(quick);
      expect(quick.warnings).toContainEqual(
        expect.objectContaining({
          code: 'not-servable',
          message: expect.stringContaining('go through pipelines'),
        }),
      );
      const plain = (await measure({ suite: 'plain', repetitions: 1, force: true })).result;
      expectExact(plain);
    });

    it('goes on with an open loop that was stopped', async () => {
      const stop = new AbortController();
      const options = { suite: suite(), rate: 6, seed: 2 };
      const running = measure({
        ...options,
        signal: stop.signal,
        onProgress: ({ phase, done }) => {
          if (phase === 'measuring' && done > 0) stop.abort();
        },
      });
      await expect(running).rejects.toMatchObject({ exitCode: 3 });
      const { result } = await bench({ resume: out, backend: undefined });
      expectExact(result);
      expect(result.requests.map(({ id }) => id)).toEqual([...Array(12).keys()]);
      expect(result.run.arrivals).toHaveLength(2);
    });
  },
);
