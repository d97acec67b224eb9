import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { monotonicClock } from '#tokenwork/core/clock.js';
import type { Endpoint, Generation } from '#tokenwork/engines/endpoint/endpoint.js';
import { openEndpoint } from '#tokenwork/engines/endpoint/open-endpoint.js';
import type { Figure } from './figure.js';

const program = fileURLToPath(new URL('./endpoint-server.js', import.meta.url));
const tokensPerSecond = 50;
const answerTokens = 250;
/** Numbers of streams that are tried, until one is too many. */
const steps = [250, 500, 750, 1000, 1250, 1500, 2000, 2500, 3000];
const rampMs = 2000;
const measuredMs = 4000;
/** The monitor's timer; the histogram holds what passes between its ticks. */
const resolutionMs = 1;
const mostDelayMs = 5;
/** Below it, the server did not hold its rate, and nothing is said of the client. */
const leastRate = 0.97;

export const endpointStreams: Figure = {
  id: 'endpoint-streams',
  what: 'streams of 50 tokens/s that one client process reads with a p99 of its event-loop delay ≤ 5 ms',
  target: 1000,
  comparison: '>=',
  async measure(say) {
    const server = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      const [port] = await once(server.stdout, 'data');
      let sustained = 0;
      for (const streams of steps) {
        const seen = await read(`http://127.0.0.1:${Number(port)}/v1`, streams);
        const told = `p99 ${seen.delayMs.toFixed(1)} ms, ${seen.rate.toFixed(3)} of the tokens, client's CPU ${seen.cores.toFixed(2)} cores, ${seen.perEventUs.toFixed(1)} µs an event`;
        say(`${streams} streams: ${told}`);
        const isHeld = seen.delayMs <= mostDelayMs && seen.rate >= leastRate;
        if (!isHeld) {
          const bound = seen.cores > 0.9 ? 'its one thread computes all the time' : 'others had the cores';
          say(`bound: ${seen.delayMs <= mostDelayMs ? 'the played server' : bound}`);
          break;
        }
        sustained = streams;
      }
      return { value: sustained, spread: null };
    } finally {
      server.stdin.end();
      await once(server, 'exit');
    }
  },
};

interface Seen {
  delayMs: number;
  /** Tokens that came ÷ tokens that `streams` bring at their rate. */
  rate: number;
  cores: number;
  perEventUs: number;
}

/** Reads that many streams at once, each followed by the next, and looks on while all of them run. */
async function read(url: string, streams: number): Promise<Seen> {
  const clock = monotonicClock();
  let tokens = 0;
  const endpoint = await openEndpoint({
    ...{ url, api: 'auto', connections: streams, retries: 0 },
    now: () => {
      tokens++;
      return clock.now();
    },
  });
  const stop = new AbortController();
  const readers = Array.from({ length: streams }, (_, at) =>
    reader(endpoint, (at / streams) * rampMs, stop.signal),
  );
  await pause(rampMs * 1.5);
  const monitor = monitorEventLoopDelay({ resolution: resolutionMs });
  const [beganNs, began, cpu] = [clock.now(), tokens, process.cpuUsage()];
  monitor.enable();
  await pause(measuredMs);
  monitor.disable();
  const seconds = (clock.now() - beganNs) / 1e9;
  const used = process.cpuUsage(cpu);
  const came = tokens - began;
  stop.abort();
  await Promise.all(readers);
  await endpoint.close();
  const cpuUs = used.user + used.system;
  return {
    delayMs: monitor.percentile(99) / 1e6 - resolutionMs,
    rate: came / (streams * tokensPerSecond * seconds),
    cores: cpuUs / 1e6 / seconds,
    perEventUs: cpuUs / came,
  };
}

async function reader(endpoint: Endpoint, startMs: number, signal: AbortSignal): Promise<void> {
  await pause(startMs);
  while (!signal.aborted) {
    const { outcome }: Generation = await endpoint.generate(
      {
        ...{
          prompt: { kind: 'ids', ids: [1, 2, 3, 4, 5, 6, 7, 8] },
          maxTokens: answerTokens,
          ignoreEos: true,
        },
        ...{ temperature: 0, topK: null, seed: null, cachePrompt: false },
      },
      { deadlineMs: 60_000, signal },
    );
    if (outcome.status === 'failed' && outcome.code !== 'interrupted') throw new Error(outcome.message);
  }
}
