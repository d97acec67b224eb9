import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { monotonicClock } from '#tokenwork/core/clock.js';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { FakeRapl } from '#tokenwork/run/testing/fake-rapl.js';
import { attribute, attributionError, quantum } from '#tokenwork/sampling/attribution/attribute.js';
import { counterCurve } from '#tokenwork/sampling/counter-curve.js';
import { powerCurve } from '#tokenwork/sampling/power-curve.js';
import { startSampler } from '#tokenwork/sampling/sampler.js';
import {
  readAsCounter,
  simulateRequests,
  truthOf,
} from '#tokenwork/sampling/simulated-requests.test-support.js';
import {
  counterReadings,
  lastS,
  powerReadings,
  smooth,
  windows,
} from '#tokenwork/sampling/synthetic-power.test-support.js';
import { machineSensors, type SensorSpec } from '#tokenwork/sensors/catalogue.js';
import { runRequest } from '#tokenwork/stages/run-request.js';
import { createRandom } from '#tokenwork/stats/random.js';
import { alternatingRatios, summarise } from './alternate.js';
import { secondsOf } from './decoding.js';
import type { Figure } from './figure.js';
import { smolLm2 } from './models.js';

/** This machine's sensors; RAPL from a tree that counts on, so that a machine without it pays for it too. */
async function withEnergySensors<Value>(action: (sensors: SensorSpec[]) => Promise<Value>): Promise<Value> {
  const root = mkdtempSync(join(tmpdir(), 'tokenwork-self-rapl-'));
  const rapl = new FakeRapl(root, 40);
  try {
    return await action(
      machineSensors().map((spec) => (spec.sensor === 'rapl' ? { sensor: 'rapl', root } : spec)),
    );
  } finally {
    rapl.stop();
    rmSync(root, { recursive: true });
  }
}

const start = (sensors: readonly SensorSpec[], rateFactor = 1) =>
  startSampler({ sensors, originNs: process.hrtime.bigint(), calibrateForNs: 3e8, rateFactor });

/** The sampler's CPU of one core, at rest. */
async function cpuShareOf(sensors: readonly SensorSpec[], rateFactor?: number): Promise<number> {
  const sampler = await start(sensors, rateFactor);
  await wait(5000);
  const { cpuShare } = await sampler.stop();
  if (cpuShare === null) throw new Error('threads cannot be told apart here');
  return cpuShare;
}

const samplerCpu: Figure = {
  id: 'sampler-cpu',
  what: 'CPU of the sampler at default rates, of one core (this machine’s sensors, RAPL among them)',
  target: 0.01,
  comparison: '<=',
  measure: () =>
    withEnergySensors(async (sensors) => {
      const shares: number[] = [];
      for (let round = 0; round < 5; round++) shares.push(await cpuShareOf(sensors));
      return summarise(shares);
    }),
};

/** Both are given this long before each block: a run's sampler, too, has long settled when it measures. */
const settleMs = 1000;
const requestsPerBlock = 4;

/** A hundredth is less than blocks differ by without a sampler: it is looked at through so many times the rates. */
const magnification = 10;

const slowdown: Figure = {
  id: 'sampling-slowdown',
  what: 'time of a request with sampling on ÷ off, SmolLM2-135M q4, 64+32: alternating blocks of 4, on at 10 times the default rates, the difference scaled by the sampler’s CPU',
  target: 1.01,
  comparison: '<=',
  measure: (say) =>
    withEnergySensors(async (sensors) => {
      const model = await smolLm2('q4');
      const decoder = await openDecoder(model, { threads: 1, backend: 'native' });
      const ids = Array.from({ length: 64 }, (_, index) => 5 + index);
      const request = () =>
        secondsOf(async () => {
          const outcome = await runRequest(
            {
              ...{ prompt: { kind: 'ids', ids }, completionTokens: 32, batch: 1, stop: 'forced' },
              ...{ sampling: { kind: 'greedy' }, deadlineNs: null },
            },
            { ...model, decoder, tokenizer: null },
            { clock: monotonicClock(), cpuTime: null },
            { stopRequested: () => false, onStep: () => {} },
          );
          if (outcome.status !== 'ok') throw new Error(outcome.message);
        });
      const block = async () => {
        await wait(settleMs);
        const seconds: number[] = [];
        for (let count = 0; count < requestsPerBlock; count++) seconds.push(await request());
        return summarise(seconds).value;
      };
      const sampled = async () => {
        const sampler = await start(sensors, magnification);
        try {
          return await block();
        } finally {
          await sampler.stop();
        }
      };
      try {
        const scale = (await cpuShareOf(sensors)) / (await cpuShareOf(sensors, magnification));
        const ratios = await alternatingRatios(40, sampled, block);
        const { value } = summarise(ratios);
        say(
          `${value.toFixed(3)} at ${magnification} times the rates, of whose CPU the default takes ${scale.toFixed(3)}`,
        );
        return summarise(ratios.map((ratio) => 1 + (ratio - 1) * scale));
      } finally {
        decoder.close();
      }
    }),
};

const integratedPower: Figure = {
  id: 'energy-integrated',
  what: 'largest error of energy with a known integral, windows of ≥ 10 periods of 10–100 ms (counter and gauge)',
  target: 0.01,
  comparison: '<=',
  async measure() {
    const errors = [10, 20, 50, 100].flatMap((periodMs) => {
      const random = createRandom(periodMs);
      const curves = [
        counterCurve(counterReadings(smooth, random, periodMs / 1e3, lastS), periodMs * 1e6),
        powerCurve(powerReadings(smooth, random, periodMs / 1e3, lastS), 0),
      ];
      return [...windows(random, 400)].flatMap(({ startS, endS, lengthS }) => {
        if (lengthS * 1e3 < 10 * periodMs) return [];
        const truth = smooth.joules(endS) - smooth.joules(startS);
        return curves.map((curve) => {
          const { value } = curve.window(startS * 1e9, endS * 1e9);
          return value === null ? 1 : Math.abs(value - truth) / truth;
        });
      });
    });
    return { value: Math.max(...errors), spread: summarise(errors).spread };
  },
};

const shareError: Figure = {
  id: 'attribution-error',
  what: 'median error of shares of simulated requests with known cost, the worst of concurrency 2–64 (1 where a sum is not exact)',
  target: 0.05,
  comparison: '<=',
  async measure() {
    const medians = [2, 4, 8, 16, 32, 64].map((slots) => {
      const random = createRandom(slots);
      const phases = simulateRequests(random, slots);
      const truth = truthOf(phases);
      const shares = attribute({
        curve: counterCurve(readAsCounter(truth, random), 2e7),
        ...{ startNs: 5e7, endNs: (truth.endS - 0.05) * 1e9, quantum: quantum.joules },
        claims: phases.map(({ request, fromS, toS, rate }) => ({
          ...{ request, startNs: fromS * 1e9, endNs: toS * 1e9 },
          busyNs: rate * (toS - fromS) * 1e9,
        })),
      });
      const isExact = shares.requests + shares.idle + shares.unattributed === shares.total;
      const pairs = truth.byRequest.map((alone, request) => ({
        alone,
        shared: shares.byRequest.get(request)!,
      }));
      return isExact ? (attributionError(pairs)?.median ?? 1) : 1;
    });
    return { value: Math.max(...medians), spread: summarise(medians).spread };
  },
};

const burn = 'for (;;);';

const silentLosses: Figure = {
  id: 'samples-lost-silently',
  what: 'samples lost and not counted, at 10 times the default rates under full CPU load and with a ring that is too small',
  target: 0,
  comparison: '<=',
  measure: (say) =>
    withEnergySensors(async (sensors) => {
      const burners = Array.from({ length: 8 }, () => new Worker(burn, { eval: true }));
      try {
        const silent: number[] = [];
        for (const capacity of [2 ** 16, 2 ** 3]) {
          const sampler = await startSampler({
            ...{ sensors, originNs: process.hrtime.bigint(), calibrateForNs: 3e8, rateFactor: 10, capacity },
          });
          const drained: number[] = [];
          for (let turn = 0; turn < 10; turn++) {
            await wait(300);
            drained.push(...sampler.drain().map(({ value }) => value));
          }
          const { samples, dropped, missed, sensors: reports } = await sampler.stop();
          drained.push(...sampler.drain().map(({ value }) => value));
          const marks = reports.reduce((sum, { activity }) => sum + (activity?.gaps ?? 0), 0);
          say(`${samples} samples, ${dropped} dropped, ${missed} readings too late`);
          silent.push(Math.abs(samples + marks - dropped - drained.length));
        }
        return { value: Math.max(...silent), spread: null };
      } finally {
        await Promise.all(burners.map((burner) => burner.terminate()));
      }
    }),
};

export const sampling: Figure[] = [samplerCpu, slowdown, integratedPower, shareError, silentLosses];
