/** For tests and benchmarks: a server that batches continuously, whose requests cost what is known in closed form. */
import { normalSource } from '../../../stats/normal.js';
import type { Random } from '../../../stats/random.js';
import { counterCurve } from '../../counter-curve.js';
import type { CumulativeCurve } from '../../window.js';
import { workKinds } from './design.js';
import type { ServedRequest } from './timeline.js';

/** What a token, a token attended to, or a step costs. */
type Costs = Record<(typeof workKinds)[number], number>;

/** About what SmolLM2-135M costs on a core of a server, in ns. */
export const cpuCosts: Costs = {
  prefill: 4e6,
  prefillAttention: 4e3,
  decode: 3e6,
  decodeContext: 1.6e4,
  step: 1.6e7,
};

export interface SimulatedServer {
  requests: ServedRequest[];
  curve: CumulativeCurve;
  startNs: number;
  endNs: number;
  resolutionNs: number;
  truth: Map<number, { prefill: number; decode: number }>;
  idle: number;
}

export interface SimulationOptions {
  random: Random;
  count: number;
  slots: number;
  /** Mean time between arrivals in ns; 0 for a client in each slot that sends the next at once. */
  meanGapNs?: number;
  promptTokens?: [number, number];
  completionTokens?: [number, number];
  timeCosts: Costs;
  counterCosts?: Costs;
  /** What the counter counts in a ns beside the work. */
  idleRate?: number;
  /** Prompt tokens that a step takes at most. */
  chunk?: number;
  /** Standard deviations, relative: of single steps, of a slow drift, of each request's own cost. */
  stepNoise?: number;
  drift?: number;
  own?: number;
  resolutionNs?: number;
}

interface Running {
  id: number;
  sentNs: number;
  promptTokens: number;
  completionTokens: number;
  prefilled: number;
  outputNs: number[];
  factor: number;
  prefill: number;
  decode: number;
}

const logUniform = (random: Random, [low, high]: [number, number]) =>
  Math.round(Math.exp(Math.log(low) + random.uniform() * Math.log(high / low)));

export function simulateServer(options: SimulationOptions): SimulatedServer {
  const { random, count, slots, timeCosts, counterCosts = timeCosts, chunk = 512 } = options;
  const { idleRate = 0, meanGapNs = 0, resolutionNs = 5e7 } = options;
  const { promptTokens = [8, 512], completionTokens = [4, 128] } = options;
  const { stepNoise = 0, drift = 0, own = 0 } = options;
  const normal = normalSource(random);
  let arrivalNs = 0;
  const waiting: Running[] = Array.from({ length: count }, (_, id) => {
    arrivalNs += -Math.log(1 - random.uniform()) * meanGapNs;
    return {
      id,
      sentNs: arrivalNs,
      promptTokens: logUniform(random, promptTokens),
      completionTokens: logUniform(random, completionTokens),
      prefilled: 0,
      outputNs: [],
      factor: Math.exp(own * normal()),
      prefill: 0,
      decode: 0,
    };
  });
  const points: [number, number][] = [[0, 0]];
  const requests: ServedRequest[] = [];
  const truth: SimulatedServer['truth'] = new Map();
  let [nowNs, amount, idle, level] = [0, 0, 0, 0];
  let running: Running[] = [];
  const advance = (toNs: number, by: number) => {
    amount += by;
    nowNs = toNs;
    points.push([nowNs, amount]);
  };
  while (waiting.length > 0 || running.length > 0) {
    while (running.length < slots && waiting.length > 0 && waiting[0]!.sentNs <= nowNs) {
      const next = waiting.shift()!;
      if (meanGapNs === 0) next.sentNs = nowNs;
      running.push(next);
    }
    if (running.length === 0) {
      const untilNs = waiting[0]!.sentNs;
      idle += idleRate * (untilNs - nowNs);
      advance(untilNs, idleRate * (untilNs - nowNs));
      continue;
    }
    level = 0.98 * level + Math.sqrt(1 - 0.98 ** 2) * normal();
    const disturbance = Math.exp(drift * level + stepNoise * normal());
    const decoding = running.filter(({ outputNs }) => outputNs.length > 0);
    let [time, used, left] = [0, 0, chunk];
    const charge = (to: Running, phase: 'prefill' | 'decode', work: Partial<Costs>) => {
      for (const kind of workKinds) {
        time += disturbance * to.factor * timeCosts[kind] * (work[kind] ?? 0);
        const cost = disturbance * to.factor * counterCosts[kind] * (work[kind] ?? 0);
        used += cost;
        to[phase] += cost;
      }
    };
    const made: Running[] = [...decoding];
    for (const request of decoding) {
      const context = request.promptTokens + request.outputNs.length;
      charge(request, 'decode', { decode: 1, decodeContext: context, step: 1 / decoding.length });
    }
    for (const request of running) {
      const rest = request.promptTokens - request.prefilled;
      const taken = Math.min(rest, left);
      if (taken <= 0) continue;
      left -= taken;
      charge(request, 'prefill', {
        prefill: taken,
        prefillAttention: taken * request.prefilled + (taken * (taken + 1)) / 2,
      });
      request.prefilled += taken;
      if (taken === rest) made.push(request);
    }
    advance(nowNs + time, used + idleRate * time);
    for (const request of made) request.outputNs.push(nowNs + 1e5 * random.uniform());
    for (const done of running.filter(({ outputNs, completionTokens: n }) => outputNs.length >= n)) {
      truth.set(done.id, { prefill: done.prefill, decode: done.decode });
      requests.push({
        id: done.id,
        sentNs: done.sentNs,
        firstTokenNs: done.outputNs[0]!,
        lastTokenNs: done.outputNs.at(-1)!,
        endNs: done.outputNs.at(-1)! + 1e5,
        promptTokens: done.promptTokens,
        cachedTokens: 0,
        completionTokens: done.completionTokens,
        failed: false,
        outputNs: done.outputNs,
      });
    }
    running = running.filter(({ outputNs, completionTokens: n }) => outputNs.length < n);
  }
  advance(nowNs + 2 * resolutionNs, 0);
  return {
    requests,
    curve: counterCurve(readings(points, resolutionNs), 1e6),
    startNs: 0,
    endNs: Math.floor(nowNs / resolutionNs) * resolutionNs,
    resolutionNs,
    truth,
    idle,
  };
}

function readings(points: readonly [number, number][], everyNs: number) {
  const timesNs: number[] = [];
  const values: number[] = [];
  let at = 0;
  for (let timeNs = 0; timeNs <= points.at(-1)![0]; timeNs += everyNs) {
    while (at + 1 < points.length && points[at + 1]![0] <= timeNs) at++;
    const [[fromNs, from], [toNs, to]] = [points[at]!, points[Math.min(at + 1, points.length - 1)]!];
    timesNs.push(timeNs);
    values.push(toNs > fromNs ? from + ((timeNs - fromNs) / (toNs - fromNs)) * (to - from) : from);
  }
  return { timesNs, values };
}
