import { monotonicClock } from '#tokenwork/core/clock.js';
import type { ExchangeTimes } from '#tokenwork/engines/endpoint/endpoint.js';
import { lacksLlamaServer, llamaServer } from '#tokenwork/engines/endpoint/llama-server.test-support.js';
import { openEndpoint } from '#tokenwork/engines/endpoint/open-endpoint.js';
import { summarise } from './alternate.js';
import type { Figure, Measured } from './figure.js';

const rounds = 60;
const promptTokens = 200;
const completionTokens = 100;
const nsPerMs = 1e6;

const llamaServerTimes = { target: 1, comparison: '<=' as const, unavailable: lacksLlamaServer };

/** Differences in ms, the client's time less the server's; the first request warms both up. */
async function differences(
  of: (client: ExchangeTimes, server: { prefill: number; decode: number }) => number,
): Promise<Measured> {
  const clock = monotonicClock();
  const server = await llamaServer(['-np', '1']);
  try {
    const endpoint = await openEndpoint({
      ...{ url: server.url, api: 'auto', connections: 1, retries: 0, now: () => clock.now() },
    });
    const found: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const ids = Array.from({ length: promptTokens }, (_, at) => 5 + round + at);
      const { outcome, times, serverTimes } = await endpoint.generate(
        {
          ...{ prompt: { kind: 'ids', ids }, maxTokens: completionTokens, ignoreEos: true },
          ...{ temperature: 0, topK: null, seed: 1, cachePrompt: false },
        },
        { deadlineMs: null },
      );
      if (outcome.status === 'failed') throw new Error(outcome.message);
      const { prefill, decode } = serverTimes!;
      if (round > 0) found.push(of(times, { prefill: prefill!, decode: decode! }) / nsPerMs);
    }
    await endpoint.close();
    return summarise(found);
  } finally {
    await server.close();
  }
}

export const endpointTimes: Figure[] = [
  {
    id: 'endpoint-ttft',
    what: 'time to first token as the client sees it − the prefill that llama-server tells, one slot, in ms',
    ...llamaServerTimes,
    measure: () =>
      differences(({ sentNs, firstTokenNs }, { prefill }) => Math.abs(firstTokenNs! - sentNs - prefill)),
  },
  {
    id: 'endpoint-gaps',
    what: 'token gap as the client sees it − the decode time a token that llama-server tells, in ms',
    ...llamaServerTimes,
    measure: () =>
      differences(({ firstTokenNs, lastTokenNs }, { decode }) =>
        Math.abs((lastTokenNs! - firstTokenNs! - decode) / (completionTokens - 1)),
      ),
  },
];
