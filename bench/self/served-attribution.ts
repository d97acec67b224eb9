import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { resolveGguf } from '#tokenwork/models/gguf/resolve.js';
import { quantum } from '#tokenwork/sampling/attribution/attribute.js';
import { errorAgainstAlone } from '#tokenwork/sampling/attribution/served/against-alone.js';
import {
  type ServedShares,
  shareServedCounter,
} from '#tokenwork/sampling/attribution/served/share-counter.js';
import type { ServedRequest } from '#tokenwork/sampling/attribution/served/timeline.js';
import { counterCurve } from '#tokenwork/sampling/counter-curve.js';
import { createRandom, type Random } from '#tokenwork/stats/random.js';
import type { Figure } from './figure.js';
import { llamaTools, whyNoTools } from './llama.js';

const slots = 4;
const requests = 80;
const promptTokens = [16, 512] as const;
const completionTokens = [6, 96] as const;
const vocabulary = 49_152;
const everyMs = 50;
const what = `llama-server, 1 thread, ${slots} slots, SmolLM2-135M Q4_0, ${requests} requests of mixed lengths`;

/** Shares of requests that ran together, and the CPU time of each alone. */
interface Truth {
  shares: ServedShares;
  alone: Map<number, number>;
}

let measured: Promise<Truth> | null = null;
const truth = (say: (text: string) => void) => (measured ??= measure(say));

/** CPU time that is shared among requests of a server, against the same requests alone. */
export const servedAttribution: Figure[] = [
  {
    id: 'served-cpu-error',
    what: `CPU time attributed ÷ alone − 1, a mean slow-down of each phase taken out, median; ${what}`,
    target: 0.1,
    comparison: '<=',
    unavailable: whyNoTools,
    async measure(say) {
      const { shares, alone } = await truth(say);
      const { whole, byPhase } = errorOf({ shares, alone }, (id) => shares.byRequest.get(id)!);
      const average = errorOf({ shares, alone }, (id) => {
        const amount = shares.byAverage.get(id)!;
        return { prefill: amount, decode: 0, amount, low: amount, high: amount };
      });
      say(
        `one slow-down for both phases: ${whole.median.toFixed(3)}; tokens × average: ${average.whole.median.toFixed(3)}`,
      );
      say(
        `slow-downs ${JSON.stringify(byPhase!.slowdown)}, ${shares.windows} windows, condition number ${shares.conditionNumber.toFixed(1)}`,
      );
      return { value: byPhase!.median, spread: null };
    },
  },
  {
    id: 'served-cpu-coverage',
    what: 'share of those requests whose interval of 95% holds what they used alone',
    target: [0.9, 0.98],
    comparison: 'within',
    unavailable: whyNoTools,
    async measure(say) {
      const { shares, alone } = await truth(say);
      const { byPhase } = errorOf({ shares, alone }, (id) => shares.byRequest.get(id)!);
      return { value: byPhase!.coverage, spread: null };
    },
  },
  {
    id: 'served-cpu-sum',
    what: 'requests + idle + unattributed ÷ the process’s CPU time, the same',
    target: [1, 1],
    comparison: 'within',
    unavailable: whyNoTools,
    async measure(say) {
      const { requests: theirs, idle, unattributed, total } = (await truth(say)).shares;
      return { value: (theirs + idle + unattributed) / total, spread: null };
    },
  },
];

type Share = ServedShares['byRequest'] extends Map<number, infer Value> ? Value : never;

function errorOf({ alone }: Truth, share: (id: number) => Share) {
  return errorAgainstAlone([...alone].map(([id, time]) => ({ shared: share(id), alone: time })))!;
}

async function measure(say: (text: string) => void): Promise<Truth> {
  const { paths } = await resolveGguf('smollm2-135m', { dtype: 'q4' });
  const port = await freePort();
  const context = slots * (promptTokens[1] + completionTokens[1] + 64);
  const server = spawn(
    `${llamaTools()}/llama-server`,
    [
      '-m',
      paths[0]!,
      '-t',
      '1',
      '-np',
      `${slots}`,
      '-c',
      `${context}`,
      '--host',
      '127.0.0.1',
      '--port',
      `${port}`,
    ],
    { stdio: 'ignore' },
  );
  try {
    const url = `http://127.0.0.1:${port}`;
    await answering(url);
    const cpuNs = cpuClockOf(server.pid!);
    const random = createRandom(1);
    const plan = Array.from({ length: requests }, (_, id) => ({
      id,
      prompt: Array.from({ length: between(random, promptTokens) }, () => 3 + random.below(vocabulary - 3)),
      completion: between(random, completionTokens),
    }));
    for (const warmUp of plan.slice(0, 2)) await complete(url, warmUp);
    say('together');
    const series = { timesNs: [] as number[], values: [] as number[] };
    const read = () => {
      series.timesNs.push(now());
      series.values.push(cpuNs());
    };
    read();
    const sampling = setInterval(read, everyMs);
    const waiting = [...plan];
    const served: ServedRequest[] = [];
    const client = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) served.push(await complete(url, next));
    };
    await Promise.all(Array.from({ length: slots }, client));
    await sleep(4 * everyMs);
    clearInterval(sampling);
    read();
    const alone = new Map<number, number>();
    const rounds = 2;
    for (let round = 0; round < rounds; round++) {
      say(`alone, ${round + 1} of ${rounds}`);
      for (const each of plan) {
        const before = cpuNs();
        await complete(url, each);
        alone.set(each.id, (alone.get(each.id) ?? 0) + (cpuNs() - before) / rounds);
      }
    }
    const shares = shareServedCounter({
      // The clock goes on all the time: between readings it is a line.
      curve: counterCurve(series, 1e6),
      startNs: series.timesNs[0]!,
      endNs: series.timesNs.at(-1)!,
      requests: served,
      quantum: quantum.nanoseconds,
      resolutionNs: everyMs * 1e6,
      seed: 1,
    });
    if (shares.refused !== null) throw new Error(shares.refused);
    return { shares, alone };
  } finally {
    server.kill();
  }
}

const now = () => Number(process.hrtime.bigint());

/** Evenly on a logarithmic scale. */
const between = (random: Random, [low, high]: readonly [number, number]) =>
  Math.round(low * (high / low) ** random.uniform());

/** CPU time of all threads of another process: its clock packs the process id, see `sensors/linux/cpu-time.ts`. */
function cpuClockOf(pid: number): () => number {
  const clockGettime = koffi.load(null).func('int clock_gettime(int, void *)');
  const timespec = new BigInt64Array(2);
  return () => {
    if (clockGettime((~pid << 3) | 2, timespec) !== 0) throw new Error('llama-server is gone');
    return Number(timespec[0]) * 1e9 + Number(timespec[1]);
  };
}

async function complete(
  url: string,
  { id, prompt, completion }: { id: number; prompt: number[]; completion: number },
): Promise<ServedRequest> {
  const sentNs = now();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    // The server closes a connection that was kept just as the next request is on its way.
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({
      prompt,
      max_tokens: completion,
      ignore_eos: true,
      cache_prompt: false,
      stream: true,
    }),
  });
  const outputNs: number[] = [];
  let timings: { prompt_n: number; predicted_n: number; prompt_ms: number } | null = null;
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body!) {
    const atNs = now();
    const events = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = events.pop()!;
    for (const event of events.filter((text) => text.startsWith('data: {'))) {
      const data = JSON.parse(event.slice(6));
      if (data.choices?.[0]?.text) outputNs.push(atNs);
      timings = data.timings ?? timings;
    }
  }
  if (timings === null) throw new Error(`llama-server answered ${response.status} and told no timings`);
  return {
    id,
    sentNs,
    firstTokenNs: outputNs[0] ?? null,
    lastTokenNs: outputNs.at(-1) ?? null,
    endNs: now(),
    promptTokens: timings.prompt_n,
    cachedTokens: 0,
    completionTokens: timings.predicted_n,
    failed: false,
    outputNs,
    serverPrefillNs: timings.prompt_ms * 1e6,
  };
}

async function answering(url: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const answer = await fetch(`${url}/health`).catch(() => null);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error('llama-server did not start');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
