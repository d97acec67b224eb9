/** Results drawn from a known truth, for simulation tests. Imported by tests only. */
import type { Result, Stage, StageType } from '../core/result.js';
import { normalSource, scaledStudentSource } from '../stats/normal.js';
import { createRandom } from '../stats/random.js';
import { okRequest, testResult } from './result.test-support.js';

export interface SimulatedCell {
  promptTokens: number;
  completionTokens: number;
  /** True CPU time per billed token; 1 is the price. */
  rate: number;
  /** Standard deviation of its log work between repetitions, in place of the simulation's. */
  noise?: number;
  /** Requests per round. */
  count?: number;
  model?: string;
  factors?: Record<string, number | string | boolean>;
  /** What the request consists of; its work is then theirs, whatever `rate` says. */
  stages?: readonly SimulatedStage[];
}

export interface SimulatedStage {
  name: string;
  type?: StageType;
  /** True CPU time in plain tokens, of 1 ms each. */
  cost: number;
  /** Positions evaluated; as many as are billed where absent. */
  tokens?: number;
  billed?: number;
  cached?: number;
  /** Chance that it runs at all. */
  chance?: number;
}

export interface Simulation {
  seed: number;
  repetitions: number;
  /** Standard deviation of log work between repetitions. */
  noise: number;
  /** The same of each stage by itself, apart from its request's. */
  stageNoise?: number;
  /** Of a whole round's log work. */
  drift?: number;
  /** When the run began: ms after the first of the day; a request takes 1 ms. */
  startsMs?: number;
  /** Logarithm of how slow the machine is at a time in ms on that clock. */
  slowness?: (ms: number) => number;
  /** Degrees of freedom of Student-t noise. */
  tails?: number;
  /** Chance that a request fails. */
  failures?: number;
}

/** A run of `cells` in rounds, with one measured metric, `cpuTime`. */
export function simulateResult(cells: readonly SimulatedCell[], simulation: Simulation): Result {
  const { seed, repetitions, noise, stageNoise = 0, drift = 0, tails, failures = 0 } = simulation;
  const { startsMs = 0, slowness = () => 0 } = simulation;
  const random = createRandom(seed);
  const normal = normalSource(random);
  const deviation = tails === undefined ? normal : scaledStudentSource(random, tails);
  const named = cells.map((cell, index) => ({ ...cell, id: `cell-${index}`, model: cell.model ?? 'm' }));
  const requests: Result['requests'] = [];
  for (let round = 0; round < repetitions; round++) {
    const pace = drift * normal();
    for (const {
      id,
      promptTokens,
      completionTokens,
      rate,
      noise: own = noise,
      count = 1,
      stages = [],
    } of named) {
      for (let k = 0; k < count; k++) {
        const tokens = promptTokens + completionTokens;
        const atNs = 1e6 * requests.length;
        const factor = Math.exp(slowness(startsMs + requests.length) + pace + own * deviation());
        if (random.uniform() < failures) continue;
        const ran = stages.filter(({ chance = 1 }) => chance === 1 || random.uniform() < chance);
        const rows = ran.map((stage, index) =>
          stageRow(
            stage,
            stageNoise === 0 ? factor : factor * Math.exp(stageNoise * deviation()),
            index,
            atNs,
          ),
        );
        const cpuTime =
          stages.length === 0
            ? 1e6 * tokens * rate * factor
            : rows.reduce((total, { work }) => total + work.cpuTime!, 0);
        const cached = rows.reduce((total, row) => total + (row.cached ?? 0), 0);
        const processed = stages.length === 0 ? tokens : rows.reduce((total, row) => total + row.tokens, 0);
        requests.push(
          okRequest({
            id: requests.length,
            cell: id,
            repetition: round * count + k,
            tokens: {
              prompt: promptTokens,
              completion: completionTokens,
              cached,
              reasoning: 0,
              hidden: processed - tokens,
              processed,
            },
            times: {
              submitted: atNs + 1000,
              started: atNs + 1010,
              firstToken: atNs + 1110,
              lastToken: atNs + 1210,
            },
            work: { ...nothingElse, cpuTime },
            stages: rows,
          }),
        );
      }
    }
  }
  const base = testResult();
  return {
    ...base,
    run: {
      ...base.run,
      repetitions,
      plannedRequests: requests.length,
      startedAt: new Date(Date.parse('2026-11-24T00:00:00.000Z') + startsMs).toISOString(),
    },
    metrics: { cpuTime: base.metrics.cpuTime! },
    cells: named.map(({ id, model, promptTokens, completionTokens, factors }) => ({
      id,
      model,
      factors: { promptTokens, completionTokens, ...factors },
    })),
    requests,
  };
}

function stageRow(
  { name, type, cost, billed = 0, tokens = billed, cached }: SimulatedStage,
  factor: number,
  index: number,
  atNs: number,
): Stage {
  const started = okRequest().times.started + atNs;
  return {
    name,
    ...(type !== undefined && { type }),
    visible: billed > 0,
    tokens,
    billed,
    ...(cached !== undefined && { cached }),
    times: { started: started + index, ended: started + index + 1 },
    work: { cpuTime: 1e6 * cost * factor },
  };
}

const nothingElse = {
  cpuTime: null,
  gpuTime: null,
  energy: null,
  peakMemory: null,
  kvBytes: null,
  kvByteSeconds: null,
  flops: null,
  memoryTraffic: null,
  activationBytes: null,
};

/** Prompt lengths × completion lengths, with the rate that `rateOf` gives each cell. */
export function factorial(
  prompts: readonly number[],
  completions: readonly number[],
  rateOf: (promptTokens: number, completionTokens: number, index: number) => number,
): SimulatedCell[] {
  return prompts.flatMap((promptTokens, row) =>
    completions.map((completionTokens, column) => ({
      promptTokens,
      completionTokens,
      rate: rateOf(promptTokens, completionTokens, row * completions.length + column),
    })),
  );
}

/** The misbilled share of the cells' true work, by its definition. */
export function trueMisbilledShare(cells: readonly SimulatedCell[]): number {
  const tokens = cells.map((cell) => (cell.count ?? 1) * (cell.promptTokens + cell.completionTokens));
  const [bill, work] = [tokens, tokens.map((count, i) => count * cells[i]!.rate)];
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const [billed, worked] = [sum(bill), sum(work)];
  return sum(work.map((value, i) => Math.abs(value / worked - bill[i]! / billed))) / 2;
}
