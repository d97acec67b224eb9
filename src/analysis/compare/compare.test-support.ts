/** Comparisons of simulated runs. Imported by tests only. */
import type { Result, Timeline } from '../../core/result.js';
import { normalSource } from '../../stats/normal.js';
import { createRandom, type Random } from '../../stats/random.js';
import { factorial, type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { type ComparedSide, type CompareOptions, type Comparison, compareResults } from './compare.js';

export const cells = factorial([16, 64, 256, 512, 1024], [16, 64, 128, 256], () => 1);
export const run = (
  seed: number,
  repetitions = 10,
  planted: readonly SimulatedCell[] = cells,
  noise = 0.02,
) => simulateResult(planted, { seed, repetitions, noise });
export const slowed = (factor: number, which: (index: number) => boolean = () => true) =>
  cells.map((cell, index) => ({ ...cell, rate: which(index) ? factor : 1 }));
export const compare = (
  baseline: ComparedSide,
  candidate: ComparedSide,
  options?: CompareOptions,
): Comparison => compareResults(baseline, [candidate], options)[0]!;
export const cpuRows = ({ cells: rows }: Comparison) => rows.filter(({ metric }) => metric === 'cpuTime');
export const changed = (comparison: Comparison) =>
  cpuRows(comparison).filter(({ verdict }) => verdict === 'slower' || verdict === 'faster');

/** The logarithm of a machine's slowness over time in ms. */
export type Slowness = (ms: number) => number;

/** Drift of 1.3× with a period, or a time of correlation, of about three runs that take `runMs` each. */
export const driftForms: Record<string, (runMs: number, random: Random) => Slowness> = {
  'a sine of 1.3× from trough to crest': (runMs, random) => sine(Math.log(1.3) / 2, 3 * runMs, random),
  'a sine of 1.3× from the mean to the crest': (runMs, random) => sine(Math.log(1.3), 3 * runMs, random),
  'two sines, of three runs and of 1.3': (runMs, random) => {
    const parts = [sine(Math.log(1.3) / 2, 3 * runMs, random), sine(Math.log(1.3) / 4, 1.3 * runMs, random)];
    return (ms) => parts.reduce((sum, part) => sum + part(ms), 0);
  },
  'an Ornstein–Uhlenbeck process of three runs': (runMs, random) =>
    ornsteinUhlenbeck(Math.log(1.3) / 2, 3 * runMs, random),
  'an Ornstein–Uhlenbeck process of one run': (runMs, random) =>
    ornsteinUhlenbeck(Math.log(1.3) / 2, runMs, random),
};

function sine(amplitude: number, periodMs: number, random: Random): Slowness {
  const phase = 2 * Math.PI * random.uniform();
  return (ms) => amplitude * Math.sin((2 * Math.PI * ms) / periodMs + phase);
}

/** Called with rising times only. */
function ornsteinUhlenbeck(deviation: number, correlationMs: number, random: Random): Slowness {
  const normal = normalSource(random);
  let [last, value] = [0, deviation * normal()];
  return (ms) => {
    const kept = Math.exp(-(ms - last) / correlationMs);
    value = kept * value + deviation * Math.sqrt(1 - kept * kept) * normal();
    last = ms;
    return value;
  };
}

/** How two versions are measured on a drifting machine: `runs` of each in turn, each after a pause of its tenth. */
export interface Measurement {
  form: keyof typeof driftForms;
  seed: number;
  runs: number;
  repetitions: number;
  noise?: number;
  /** The candidate's true ratio. */
  ratio?: number;
}

export function onDriftingMachine({
  form,
  seed,
  runs,
  repetitions,
  noise = 0.02,
  ratio = 1,
}: Measurement): Comparison {
  const runMs = repetitions * cells.length;
  const slowness = driftForms[form]!(runMs, createRandom(seed));
  const sides: [Result[], Result[]] = [[], []];
  for (let k = 0; k < 2 * runs; k++) {
    const planted = k % 2 === 0 ? cells : slowed(ratio);
    const startsMs = Math.round(1.1 * runMs * k);
    sides[k % 2]!.push(
      simulateResult(planted, { seed: 1000 * seed + k, repetitions, noise, startsMs, slowness }),
    );
  }
  return compare(sides[0], sides[1]);
}

/** A reading every 50 ms of a run that takes 200 ms, after one from before its first request. */
export const rate = (device: string, quantity: string, cores: number): Timeline => ({
  ...{ sensor: 'procfs', device, quantity, unit: 'ratio', samples: 5 },
  timesNs: [0, 50e6, 100e6, 150e6, 200e6],
  values: [99, cores, cores, cores, cores],
});

/** Runs of two sides in turn, A B B A A B B A, each at a pace of its own beside others that keep cores busy. */
export interface OnBusyMachine {
  busyCores: number;
  /** By run: what its requests take, as a ratio. */
  baseline: readonly number[];
  candidate: readonly number[];
  seed?: number;
}

export function onBusyMachine({ busyCores, baseline, candidate, seed = 1 }: OnBusyMachine): Comparison {
  const timeline = [rate('system', 'busyTime', 1 + busyCores), rate('process', 'cpuTime', 1)];
  const side = (paces: readonly number[], turns: readonly number[]): Result[] =>
    paces.map((pace, k) => {
      const result = run(1000 * seed + turns[k]!, 5, slowed(pace));
      const startedAt = new Date(Date.parse(result.run.startedAt) + 500 * turns[k]!).toISOString();
      return { ...result, timeline, run: { ...result.run, startedAt } };
    });
  return compare(side(baseline, [0, 3, 4, 7]), side(candidate, [1, 2, 5, 6]));
}

/** Whether a comparison claims a change, of any cell or of all together. */
export const claims = (comparison: Comparison) =>
  changed(comparison).length > 0 ||
  ['slower', 'faster'].includes(comparison.geomean.cpuTime!.verdict as string);
