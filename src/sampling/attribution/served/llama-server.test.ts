import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { counterCurve } from '../../counter-curve.js';
import { quantum } from '../attribute.js';
import { errorAgainstAlone } from './against-alone.js';
import { shareServedCounter } from './share-counter.js';

interface Recorded {
  prompt: number;
  completion: number;
  sent: number;
  end: number;
  serverPrefill: number;
  alone: number;
  output: number[];
}

const unitNs = 1e5;
const [head, ...lines] = readFileSync(new URL('testing/llama-server.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const requests = lines as Recorded[];

function fromDifferences(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum * unitNs;
  });
}

it.each([
  { told: 'told', its: true },
  { told: 'not told', its: false },
])(
  'CPU time of a real llama-server is shared as requests use it alone, its prefill times $told',
  ({ its }) => {
    const readings = { timesNs: fromDifferences(head.reading), values: fromDifferences(head.cpuTime) };
    const shares = shareServedCounter({
      curve: counterCurve(readings, 1e6),
      startNs: readings.timesNs[0]!,
      endNs: readings.timesNs.at(-1)!,
      requests: requests.map(({ prompt, completion, sent, end, serverPrefill, output }, id) => {
        const outputNs = fromDifferences(output);
        return {
          id,
          sentNs: sent * unitNs,
          firstTokenNs: outputNs[0]!,
          lastTokenNs: outputNs.at(-1)!,
          endNs: end * unitNs,
          promptTokens: prompt,
          cachedTokens: 0,
          completionTokens: completion,
          failed: false,
          outputNs,
          serverPrefillNs: its ? serverPrefill * unitNs : null,
        };
      }),
      quantum: quantum.nanoseconds,
      resolutionNs: 5e7,
      seed: 1,
    });
    if (shares.refused !== null) throw new Error(shares.refused);
    const pairs = requests.map(({ alone }, id) => ({
      shared: shares.byRequest.get(id)!,
      alone: alone * unitNs,
    }));
    const { whole, byPhase } = errorAgainstAlone(pairs)!;
    expect(byPhase!.median).toBeLessThanOrEqual(0.1);
    expect(byPhase!.coverage).toBeGreaterThanOrEqual(0.9);
    expect(byPhase!.coverage).toBeLessThanOrEqual(0.98);
    const average = requests.map(({ alone }, id) => {
      const amount = shares.byAverage.get(id)!;
      return {
        shared: { prefill: amount, decode: 0, amount, low: amount, high: amount },
        alone: alone * unitNs,
      };
    });
    expect(errorAgainstAlone(average)!.whole.median).toBeGreaterThan(1.5 * whole.median);
  },
);
