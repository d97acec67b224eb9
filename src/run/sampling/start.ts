import type { Warning } from '../../core/codes.js';
import { messageOf, TokenworkError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Journal } from '../../journal/append.js';
import type { JournalEntry } from '../../journal/entry.js';
import { packSamples } from '../../journal/samples.js';
import { energyWindowNs } from '../../sampling/attribution/energy-window.js';
import type { SampledSensor } from '../../sampling/attribution/segment.js';
import type { Sample } from '../../sampling/ring.js';
import { type Sampler, startSampler } from '../../sampling/sampler.js';
import type { ChosenSensors } from './choice.js';
import { CounterMoves } from './counter-moves.js';
import type { SensorRecorder } from './recorder.js';

/** Samples the machine's sensors beside the requests of one segment, into the journal. */
export interface RunSampling {
  readonly sensors: readonly SampledSensor[];
  /** Warnings about the sensors that are known before anything is measured. */
  readonly warnings: readonly Warning[];
  /** Begins to journal what is sampled, once the journal has its header. */
  begin(journal: Journal): void;
  /** Looks at the machine while nothing is asked of it; at once over where no device has an energy. */
  rest(of: 'idle-before' | 'idle-after', signal: AbortSignal | undefined): Promise<void>;
  /** Marks the beginning of measuring. */
  measuring(): void;
  /** Whether every counter of energy that still works moved often enough since then for its amount to be told. */
  hasMoved(sinceNs: Nanoseconds): boolean;
  /** Ends the sampler and journals the rest. Throws what journalling threw meanwhile. */
  end(): Promise<void>;
  /** Ends the sampler where something has failed; never throws. */
  abandon(): Promise<void>;
}

/** More seldom than this, too much would be lost to a kill; more often, it would disturb the requests. */
const collectEveryMs = 250;
const longestRestNs = 3e9;

export interface SamplingOptions {
  chosen: ChosenSensors;
  /** Origin of the run's clock. */
  originNs: bigint;
  now(): Nanoseconds;
  /** Takes down every sample as well. */
  recorder: SensorRecorder | null;
  /** Time for which counters are watched before the start; the machine's rest is at least as long. */
  calibrateForNs?: Nanoseconds | undefined;
}

/** Starts the sampler. Where it does not start, nothing is sampled, and a warning says so: runs go on. */
export async function startSampling(options: SamplingOptions): Promise<RunSampling> {
  const { chosen, originNs, now, calibrateForNs } = options;
  if (chosen.specs.length === 0) return withoutSampling([]);
  try {
    const sampler = await startSampler({ sensors: chosen.specs, originNs, calibrateForNs });
    return samplingWith(sampler, options, now);
  } catch (thrown) {
    const { message, hint } =
      thrown instanceof TokenworkError
        ? thrown
        : {
            message: `The sampler could not be started: ${messageOf(thrown)}`,
            hint: 'See: tokenwork doctor',
          };
    return withoutSampling([{ code: 'sampler-failed', message, hint }]);
  }
}

function withoutSampling(warnings: Warning[]): RunSampling {
  return {
    sensors: [],
    warnings,
    begin: () => {},
    rest: async () => {},
    measuring: () => {},
    hasMoved: () => true,
    end: async () => {},
    abandon: async () => {},
  };
}

function samplingWith(
  sampler: Sampler,
  { chosen, recorder, calibrateForNs = 1e9 }: SamplingOptions,
  now: () => Nanoseconds,
): RunSampling {
  const sensors = sampler.sensors as readonly SampledSensor[];
  const windowNs = energyWindowNs(sensors);
  let journal: Journal | null = null;
  let failure: unknown = null;
  const early: JournalEntry[] = [];

  const write = (entry: JournalEntry) => {
    if (failure !== null) return;
    if (journal === null) {
      early.push(entry);
      return;
    }
    try {
      journal.append(entry);
    } catch (thrown) {
      failure = thrown; // Thrown by `end`: a timer has nobody to throw to.
    }
  };
  const moves = new CounterMoves(sensors);
  let collected: Sample[] = [];
  const drain = () => {
    const samples = sampler.drain();
    moves.add(samples);
    collected.push(...samples);
  };
  const collect = () => {
    drain();
    const series = packSamples(collected);
    recorder?.add(collected);
    collected = [];
    if (series.length > 0) write({ kind: 'samples', series });
  };
  const timer = setInterval(collect, collectEveryMs);

  let stopped: Promise<void> | null = null;
  const stop = async () => {
    clearInterval(timer);
    const report = await sampler.stop();
    collect();
    const { cpuShare, durationNs, samples, dropped, missed } = report;
    const warnings = [...report.warnings, ...(recorder?.takeWarnings() ?? [])];
    write({ kind: 'sampled', cost: { cpuShare, durationNs, samples, dropped, missed }, warnings });
  };
  return {
    sensors,
    warnings: chosen.warnings,
    begin(opened) {
      journal = opened;
      write({ kind: 'sampling', sensors: [...sensors], recorded: chosen.recorded });
      for (const entry of early.splice(0)) write(entry);
    },
    async rest(of, signal) {
      if (windowNs === null || signal?.aborted) return;
      const fromNs = now();
      await pause(Math.min(longestRestNs, Math.max(calibrateForNs, windowNs)) / 1e6, signal);
      if (!signal?.aborted) write({ kind: 'span', of, fromNs, toNs: now() });
    },
    measuring() {
      recorder?.keep();
      write({ kind: 'span', of: 'measuring', fromNs: now(), toNs: null });
    },
    hasMoved(sinceNs) {
      drain();
      return moves.enoughSince(sinceNs);
    },
    async end() {
      stopped ??= stop();
      await stopped;
      if (failure !== null) throw failure;
    },
    abandon() {
      stopped ??= stop();
      return stopped;
    },
  };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
