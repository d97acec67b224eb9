import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createSensors } from '../catalogue.js';
import { isAbsence, type OpenSensor } from '../sensor.js';
import { type FakeClock, fakeClock, openOrFail, type Reading, record } from '../sensor-probe.test-support.js';
import { type ServerMetricsTarget, serverMetricsSensor } from './server-metrics.js';

type Answer = string | RequestListener;

/** An HTTP server on loopback that shows what is put into it. */
class Shown {
  /** The text of the next answers, or how to answer; null lets them wait. */
  answer: Answer | null = '';
  readonly asked: IncomingMessage[] = [];
  readonly #waiting: Parameters<RequestListener>[] = [];
  #server = createServer((request, response) => {
    this.asked.push(request);
    if (this.answer === null) this.#waiting.push([request, response]);
    else give(this.answer, request, response);
  });

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => this.close());
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers the one request that waits, once it has come. */
  async giveOnce(answer: Answer): Promise<void> {
    while (this.#waiting.length === 0) await turn();
    give(answer, ...this.#waiting.shift()!);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function give(answer: Answer, ...[request, response]: Parameters<RequestListener>): void {
  if (typeof answer === 'function') answer(request, response);
  else response.setHeader('content-type', 'text/plain; version=0.0.4').end(answer);
}

interface Scene {
  sensor: OpenSensor;
  clock: FakeClock;
  /** Answers the next scrape half a second after it was asked for, and reads what has arrived. */
  next(answer: Answer): Promise<Reading>;
}

async function openOn(text: string, target: Partial<ServerMetricsTarget> = {}): Promise<Scene> {
  const shown = new Shown();
  shown.answer = text;
  const url = await shown.open();
  const clock = fakeClock();
  const sensor = await openOrFail(serverMetricsSensor({ url, ...target }), clock);
  onTestFinished(() => sensor.close());
  shown.answer = null;
  // The scrape of opening, and the question for the next.
  record(sensor);
  return {
    sensor,
    clock,
    async next(answer) {
      clock.advance(0.5e9);
      await shown.giveOnce(answer);
      for (;;) {
        const reading = record(sensor);
        if (reading.timesNs.length > 0) return reading;
        await turn();
      }
    },
  };
}

const channelNames = ({ channels }: OpenSensor) =>
  channels.map(({ device, quantity, unit, kind }) => `${device} ${quantity} ${unit} ${kind}`);

const vllm = (prompt: number, generated: number, steps = 3, start = 1000) => `
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 3.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:prompt_tokens_total{engine="0",model_name="m"} ${prompt}
vllm:prompt_tokens_total{engine="1",model_name="m"} 5.0
vllm:generation_tokens_total{engine="0",model_name="m"} ${generated}
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{engine="0",le="8.0",model_name="m"} 1
vllm:iteration_tokens_total_count{engine="0",model_name="m"} ${steps}
vllm:iteration_tokens_total_sum{engine="0",model_name="m"} 40
process_cpu_seconds_total 7.5
process_start_time_seconds ${start}
`;

describe('the metrics of a server', () => {
  it('become channels of its own device, summed over engines', async () => {
    const { sensor, next } = await openOn(vllm(100, 10), { replica: 2 });
    expect(channelNames(sensor)).toEqual([
      'server-2 promptTokens count counter',
      'server-2 generatedTokens count counter',
      'server-2 engineSteps count counter',
      'server-2 stepTokens count counter',
      'server-2 requestsRunning count gauge',
      'server-2 kvCacheUsage ratio gauge',
    ]);
    expect((await next(vllm(160, 14, 5))).latest).toEqual({
      'server-2 promptTokens': 60,
      'server-2 generatedTokens': 4,
      'server-2 engineSteps': 2,
      'server-2 stepTokens': 0,
      'server-2 requestsRunning': 5,
      'server-2 kvCacheUsage': 0.5,
    });
  });

  it('name what the server could show and does not, and CPU time that is not all of it', async () => {
    const { sensor } = await openOn(vllm(1, 1));
    expect(sensor.missing).toContainEqual(
      expect.objectContaining({
        quantity: 'preemptions',
        hint: expect.stringContaining('vllm:num_preemptions'),
      }),
    );
    expect(sensor.missing).toContainEqual(
      expect.objectContaining({ quantity: 'cpuTime', hint: expect.stringContaining('--server-pid PID') }),
    );
  });

  it('have a gap where a counter falls, and where the server has started anew', async () => {
    const { next } = await openOn(vllm(100, 10));
    expect((await next(vllm(130, 10))).latest['server-0 promptTokens']).toBe(30);
    expect((await next(vllm(20, 12))).latest).toMatchObject({
      'server-0 promptTokens': Number.NaN,
      'server-0 generatedTokens': 2,
    });
    expect((await next(vllm(25, 12))).latest['server-0 promptTokens']).toBe(35);
    // More than before, and yet of another process.
    const seen: number[] = [];
    for (const prompt of [500, 501, 501, 503]) {
      const { latest } = await next(vllm(prompt, 900, 9, 2000));
      seen.push(latest['server-0 promptTokens']!);
    }
    expect(seen).toEqual([Number.NaN, 36, 36, 38]);
  });

  it("count a rank's requests once, and what appears with the first request from then on", async () => {
    const sglang = (counters: string) => `
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="m",tp_rank="0",pp_rank="0"} 4
sglang:num_running_reqs{model_name="m",tp_rank="1",pp_rank="0"} 4
sglang:num_running_reqs{model_name="m",dp_rank="1",tp_rank="0",pp_rank="0"} 3
${counters}`;
    const { next } = await openOn(sglang(''));
    const counters = (tokens: number, s: number) => `
sglang:generation_tokens_total{model_name="m",is_streaming="true"} ${tokens}
sglang:generation_tokens_total{model_name="m",is_streaming="false"} 7
sglang:forward_execution_seconds_total{category="decode",tp_rank="0"} ${s}
`;
    expect((await next(sglang(''))).latest).toMatchObject({
      'server-0 requestsRunning': 7,
      'server-0 generatedTokens': Number.NaN,
    });
    await next(sglang(counters(10, 1)));
    expect((await next(sglang(counters(15, 2)))).latest['server-0 generatedTokens']).toBe(5);
  });

  it('are read of llama.cpp in the units of its channels', async () => {
    const text = (tokens: number, s: number) =>
      `# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total ${tokens}\nllamacpp:prompt_seconds_total ${s}\nllamacpp:requests_processing 1\n`;
    const { next } = await openOn(text(10, 0.5));
    expect((await next(text(12, 0.75))).latest).toEqual({
      'server-0 computedPromptTokens': 2,
      'server-0 promptTime': 0.25e9,
      'server-0 requestsRunning': 1,
    });
  });

  it('hold the CPU time of a server that is a single process', async () => {
    const { next } = await openOn('process_cpu_seconds_total 1.5\n');
    expect((await next('process_cpu_seconds_total 1.75\n')).latest).toEqual({ 'server-0 cpuTime': 0.25e9 });
  });
});

const gpu = (number: number, labels = '') =>
  `{gpu="${number}",UUID="GPU-${number}",device="nvidia${number}",modelName="NVIDIA H100",Hostname="node-1"${labels}}`;

describe("the DCGM exporter's metrics", () => {
  const text = (mJ: number) => `
# HELP DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION Total energy consumption since boot (in mJ).
# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION${gpu(0)} ${mJ}
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION${gpu(1)} 500
DCGM_FI_DEV_POWER_USAGE${gpu(0)} 316.5
DCGM_FI_DEV_GPU_UTIL${gpu(0)} 80
DCGM_FI_DEV_GPU_UTIL${gpu(1)} 40
DCGM_FI_PROF_GR_ENGINE_ACTIVE${gpu(0)} 0.75
DCGM_FI_DEV_FB_USED${gpu(0)} 3
process_cpu_seconds_total 99
`;

  it('become channels of GPUs on their host', async () => {
    const { sensor, next } = await openOn(text(4_742_776));
    expect(channelNames(sensor)).toEqual([
      'gpu-0@node-1 energy J counter',
      'gpu-0@node-1 power W gauge',
      'gpu-0@node-1 utilisation ratio gauge',
      'gpu-0@node-1 memoryUsed B gauge',
      'gpu-1@node-1 energy J counter',
      'gpu-1@node-1 utilisation ratio gauge',
    ]);
    expect((await next(text(4_743_776))).latest).toEqual({
      'gpu-0@node-1 energy': 1,
      'gpu-0@node-1 power': 316.5,
      'gpu-0@node-1 utilisation': 0.75,
      'gpu-0@node-1 memoryUsed': 3 * 2 ** 20,
      'gpu-1@node-1 energy': 0,
      'gpu-1@node-1 utilisation': 0.4,
    });
  });

  it('take what 700 W use in 30 s for growth, as the exporter shows it at once, and 10 kW for garbage', async () => {
    const { next, clock } = await openOn(text(0));
    clock.advance(30e9);
    expect((await next(text(21_000_000))).latest['gpu-0@node-1 energy']).toBe(21_000);
    clock.advance(29.5e9);
    expect((await next(text(321_000_000))).latest['gpu-0@node-1 energy']).toBeNaN();
    expect((await next(text(321_001_000))).latest['gpu-0@node-1 energy']).toBe(21_001);
  });

  it('count a GPU once that several containers share, and none that MIG splits', async () => {
    const shared = `DCGM_FI_DEV_POWER_USAGE${gpu(0, ',pod="a"')} 100\nDCGM_FI_DEV_POWER_USAGE${gpu(0, ',pod="b"')} 100\n`;
    const split = `DCGM_FI_DEV_POWER_USAGE${gpu(1, ',GPU_I_ID="3",GPU_I_PROFILE="1g.10gb"')} 90\n`;
    const { sensor, next } = await openOn(shared + split);
    expect((await next(shared + split)).latest).toEqual({ 'gpu-0@node-1 power': 100 });
    expect(sensor.missing).toContainEqual(expect.objectContaining({ device: 'gpu-1@node-1', mig: true }));
  });

  it('are refused of a whole cluster', async () => {
    const shown = new Shown();
    shown.answer = Array.from({ length: 65 }, (_, n) => `DCGM_FI_DEV_POWER_USAGE${gpu(n)} 100\n`).join('');
    const url = await shown.open();
    expect(await serverMetricsSensor({ url }).open(fakeClock())).toMatchObject({
      hint: expect.stringContaining('65 GPUs'),
    });
  });

  it('are of the GPUs alone that the server runs on', async () => {
    const { sensor } = await openOn(text(1), { gpus: ['1'] });
    expect(new Set(sensor.channels.map(({ device }) => device))).toEqual(new Set(['gpu-1@node-1']));
  });
});

describe('an address without metrics', () => {
  const page = '<!DOCTYPE html><html></html>';
  it.each<[string, Answer, RegExp, string?]>([
    ['asks for a key', (_, response) => response.writeHead(401).end('no'), /401.*key/, 'permission'],
    ['has no such page', (_, response) => response.writeHead(404).end(page), /404.*--enable-metrics/],
    ['is llama.cpp without --metrics', (_, response) => response.writeHead(501).end('{}'), /501.*--metrics/],
    ['is broken', (_, response) => response.writeHead(500).end(), /answers 500/],
    [
      'redirects',
      (_, response) => response.writeHead(307, { location: 'http://x.test/m?k=1' }).end(),
      /redirects to http:\/\/x\.test\/m,/,
    ],
    ['is a web page', page, /web page/],
    ['is JSON', '{"a": 1}', /JSON/],
    ['compresses', (_, response) => response.setHeader('content-encoding', 'gzip').end('x'), /gzip/],
    ['hangs up', (request) => request.socket.destroy(), /cannot be asked/],
    ['shows nothing that is known', 'go_goroutines 7\n', /nothing that is known/],
    ['shows nothing at all', '', /nothing that is known/],
    ['breaks the format', 'vllm:prompt_tokens_total{ 1\n', /not in Prometheus/],
  ])('%s', async (_, answer, hint, reason = 'unsupported') => {
    const shown = new Shown();
    shown.answer = answer;
    const url = await shown.open();
    const opened = await serverMetricsSensor({ url: `${url}/metrics?key=secret` }).open(fakeClock());
    if (!isAbsence(opened)) throw new Error('expected an absence');
    expect(opened).toMatchObject({ reason, hint: expect.stringMatching(hint) });
    expect(opened.hint).not.toContain('secret');
  });

  it.each(['localhost:8000', 'ftp://127.0.0.1/', 'nonsense'])('is %j', async (url) => {
    expect(await serverMetricsSensor({ url }).open(fakeClock())).toMatchObject({
      hint: expect.stringContaining('no http:// or https:// address'),
    });
  });

  it('answers without an end: it is read to a limit, in bounded memory', async () => {
    const shown = new Shown();
    const line = Buffer.from(`other_metric{a="${'x'.repeat(2000)}"} 1\n`.repeat(500));
    shown.answer = (_, response) => {
      const more = () => {
        while (response.write(line));
      };
      response.on('drain', more).on('error', () => {});
      more();
    };
    const url = await shown.open();
    expect(await serverMetricsSensor({ url }).open(fakeClock())).toMatchObject({
      hint: expect.stringContaining('more than 64 MiB'),
    });
  });
});

describe('scraping', () => {
  const text = vllm(1, 1);

  it('sends credentials and headers, and shows none of them', async () => {
    const shown = new Shown();
    shown.answer = text;
    const url = (await shown.open()).replace('http://', 'http://me:p%40ss@');
    const [sensor] = createSensors(
      structuredClone({ sensor: 'server-metrics', url: `${url}/?token=t0ken`, headers: { 'X-Key': 'k3y' } }),
    );
    const opened = await openOrFail(sensor!);
    onTestFinished(() => opened.close());
    expect(shown.asked[0]).toMatchObject({
      url: '/metrics?token=t0ken',
      headers: { 'x-key': 'k3y', authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}` },
    });
    const { channels, missing } = opened;
    expect(JSON.stringify({ sensor, channels, missing })).not.toMatch(/p%40ss|p@ss|t0ken|k3y/);
    expect(sensor!.reads).toContain('/metrics shows them');
  });

  it('dates a figure halfway between asking and the answer', async () => {
    const { next, clock, sensor } = await openOn(text);
    const askedNs = clock.now();
    const { timesNs } = await next(text);
    expect(new Set(timesNs)).toEqual(new Set([askedNs + 0.25e9]));
    expect(sensor.arrives).toBe(true);
  });

  it('leaves a gap where it fails, goes on after it, and ends where it fails for a minute', async () => {
    const { next, clock, sensor } = await openOn(vllm(100, 1));
    const broken: RequestListener = (_, response) => response.writeHead(503).end();
    const { latest } = await next(broken);
    expect(new Set(Object.values(latest))).toEqual(new Set([Number.NaN]));
    expect((await next(vllm(107, 1))).latest['server-0 promptTokens']).toBe(7);
    for (let failures = 0; failures < 12; failures++) await next(broken);
    clock.advance(60e9);
    expect(() => record(sensor)).toThrow(/no metrics for 6\d s: .*answers 503/);
  });
});
