import { didYouMean } from '../../core/did-you-mean.js';
import { TokenworkError } from '../../core/errors.js';
import type { ArrivalProcess, Loop } from '../../core/records/arrivals.js';
import { rampRange, rateRange } from './options.js';

/** The value of `--arrivals`, which says all but a rate. */
export type ArrivalsOption =
  | { kind: 'closed' | 'constant' | 'poisson' | 'trace' }
  | { kind: 'gamma'; variation: number }
  | { kind: 'ramp'; from: number; to: number }
  | { kind: 'sweep'; steps: number };

/** The options of a run that say when its requests are sent. */
export interface ArrivalsChoice {
  arrivals?: string | undefined;
  rate?: number | string | undefined;
  speed?: number | undefined;
  /** As it was asked for; null where it was not. */
  concurrency: number | null;
  /** Whether the workload is a trace that has times; null where it is no trace. */
  traceTimes: boolean | null;
  maxInFlight?: number | undefined;
  catchUp?: boolean | undefined;
}

const kinds = ['closed', 'constant', 'poisson', 'gamma', 'ramp', 'trace', 'sweep'] as const;
const usualSteps = 8;
const mostSteps = 64;
/** Gaps of a larger coefficient of variation are nearly all 0; those of a smaller one are constant. */
const variations = { least: 0.01, most: 100 };

/** Reads a value of `--arrivals`. Throws TokenworkError `bad-option`. */
export function parseArrivals(text: string): ArrivalsOption {
  const [name = '', ...rest] = text.trim().split(':');
  const value = rest.length === 0 ? null : rest.join(':');
  const kind = kinds.find((own) => own === name.toLowerCase());
  if (kind === undefined) {
    throw bad(
      `There are no arrivals "${text}".`,
      `Use closed, constant, poisson, gamma:CV, ramp:FROM-TO, trace or sweep.${didYouMean(name, kinds)}`,
    );
  }
  if (kind === 'gamma') {
    const variation = Number(value || Number.NaN);
    if (variation >= variations.least && variation <= variations.most) return { kind, variation };
    throw bad(
      `--arrivals ${text} names no coefficient of variation of the gaps between ${variations.least} and ${variations.most}.`,
      'Write gamma:2 for bursts, gamma:0.5 for gaps more alike than those of poisson, which is gamma:1.',
    );
  }
  if (kind === 'ramp') {
    const [, from, to] = rampRange.exec(value ?? '') ?? [];
    if (Number(from) > 0 && Number(to) > 0) return { kind, from: Number(from), to: Number(to) };
    throw bad(
      `--arrivals ${text} does not name two rates above 0.`,
      'Write ramp:FROM-TO, such as ramp:1-20, in requests per second.',
    );
  }
  if (kind === 'sweep') {
    const steps = value === null ? usualSteps : Number(value || Number.NaN);
    if (Number.isInteger(steps) && steps >= 3 && steps <= mostSteps) return { kind, steps };
    throw bad(
      `--arrivals ${text} does not name a number of steps from 3 to ${mostSteps}.`,
      `Write sweep for ${usualSteps} steps, or sweep:12 for twelve.`,
    );
  }
  if (value !== null) throw bad(`--arrivals ${kind} takes no value, but got "${value}".`, `Write ${kind}.`);
  return { kind };
}

/**
 * What a run's options say together of when its requests are sent: a rate alone makes them a Poisson process, or a
 * sweep where it is a range. Throws TokenworkError `bad-option` where they contradict each other or say too little.
 */
export function chooseArrivals(choice: ArrivalsChoice): Loop {
  const { rate, speed = 1, concurrency } = choice;
  const option = choice.arrivals === undefined ? usualArrivals(choice) : parseArrivals(choice.arrivals);
  const { kind } = option;
  if (kind !== 'closed' && concurrency !== null) {
    throw bad(
      `--concurrency belongs to a closed loop, and --arrivals ${kind} sends requests whether or not others were answered.`,
      'Leave out --concurrency; --max-in-flight limits how many may be in flight.',
    );
  }
  if (kind === 'closed' && (choice.maxInFlight !== undefined || choice.catchUp)) {
    const [flag, why] = choice.catchUp
      ? ['--catch-up', 'a closed loop has no times to be late for']
      : ['--max-in-flight', '--concurrency says how many a closed loop has in flight'];
    throw bad(`${flag} is of an open loop: ${why}.`, 'Leave it out, or say when requests arrive: --rate R.');
  }
  if (kind !== 'trace' && choice.speed !== undefined) {
    throw bad(`--speed is of --arrivals trace, and not of ${kind}.`, 'Use --rate, or --arrivals trace.');
  }
  if (kind === 'sweep') return { kind, rates: sweepRates(rangeOf(rate), option.steps) };
  return { kind: 'one', process: processOf(option, choice, speed) };
}

function usualArrivals({ rate, speed }: ArrivalsChoice): ArrivalsOption {
  if (rate !== undefined) {
    return isRange(rate) ? { kind: 'sweep', steps: usualSteps } : { kind: 'poisson' };
  }
  return { kind: speed === undefined ? 'closed' : 'trace' };
}

function processOf(
  option: Exclude<ArrivalsOption, { kind: 'sweep' }>,
  { rate, concurrency, traceTimes }: ArrivalsChoice,
  speed: number,
): ArrivalProcess {
  switch (option.kind) {
    case 'constant':
    case 'poisson':
      return { kind: option.kind, rate: oneRate(option.kind, rate) };
    case 'gamma':
      return { ...option, rate: oneRate('gamma', rate) };
    case 'closed':
      refuseRate(rate, 'closed', 'Leave out --arrivals for a Poisson process of that rate.');
      return { kind: 'closed', concurrency: concurrency ?? 1 };
    case 'ramp':
      refuseRate(rate, 'ramp', 'Leave out --rate: ramp:FROM-TO names both of its rates.');
      return option;
    case 'trace':
      refuseRate(rate, 'trace', 'Use --speed to send a trace faster or slower than it was recorded.');
      if (traceTimes === true) return { kind: 'trace', speed };
      throw bad(
        traceTimes === null
          ? '--arrivals trace takes the times of a trace, and none was given.'
          : '--arrivals trace takes the times of a trace, and this one has none.',
        traceTimes === null
          ? 'Name one with --trace, or use --arrivals poisson --rate R.'
          : 'Use a trace whose requests have times, or --arrivals poisson --rate R.',
      );
  }
}

const isRange = (rate: number | string): rate is string => typeof rate === 'string' && rate.includes('..');

function oneRate(kind: string, rate: number | string | undefined): number {
  if (rate === undefined) {
    throw bad(`--arrivals ${kind} needs a rate.`, 'Add --rate R, in requests per second.');
  }
  if (isRange(rate)) {
    throw bad(
      `--rate ${rate} is a range, and --arrivals ${kind} takes one rate.`,
      'Name one, or use --arrivals sweep, which tries several.',
    );
  }
  if (Number(rate) > 0 && Number.isFinite(Number(rate))) return Number(rate);
  throw bad(
    `--rate ${rate} is no number above 0.`,
    'Name a number of requests per second, such as --rate 4.',
  );
}

function refuseRate(rate: number | string | undefined, kind: string, hint: string): void {
  if (rate !== undefined) throw bad(`--arrivals ${kind} takes no --rate.`, hint);
}

function rangeOf(rate: number | string | undefined): [low: number, high: number] {
  const [, low, high] = rateRange.exec(String(rate ?? '')) ?? [];
  if (Number(low) > 0 && Number(high) > Number(low)) return [Number(low), Number(high)];
  throw bad(
    rate === undefined
      ? '--arrivals sweep needs the rates between which it looks for the knee.'
      : `--rate ${rate} is no range of rates from a lower to a higher.`,
    'Add --rate A..B, such as --rate 1..32, in requests per second.',
  );
}

/** Rates from the lower to the higher, each the same multiple of the one before, to three digits. */
function sweepRates([low, high]: [number, number], steps: number): number[] {
  const rates = Array.from({ length: steps }, (_, step) =>
    Number((low * (high / low) ** (step / (steps - 1))).toPrecision(3)),
  );
  return [...new Set(rates)];
}

function bad(message: string, hint: string): TokenworkError {
  return new TokenworkError('bad-option', message, hint);
}
