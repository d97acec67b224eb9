/**
 * sampling/ puts sensors on a clock, in a thread of its own, and turns their samples into figures for
 * windows of time and for requests that shared a device.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Warning } from '../core/codes.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { SensorSpec } from '../sensors/catalogue.js';
import { nvmlTrouble } from '../sensors/nvidia/nvml-probe.js';
import type { SensorRecord } from './opened-sensor.js';
import { bellMemory, ringBell } from './rest.js';
import { ringMemory, type Sample, SampleRing } from './ring.js';
import type { FromSampler, SamplerTask, ToSampler } from './sampler-protocol.js';
import type { SensorActivity } from './sampling-loop.js';

export interface SamplerOptions {
  sensors: readonly SensorSpec[];
  /** Origin of all times: what `process.hrtime.bigint()` was at the run's start. */
  originNs: bigint;
  /** Samples the ring holds between two calls of `drain`, a power of two. */
  capacity?: number;
  /** Time to watch the counters tick before starting. */
  calibrateForNs?: Nanoseconds | undefined;
  /** Reads so many times more often than the sensors find cheap; for measuring the sampler itself. */
  rateFactor?: number;
}

/** The cost of sampling, and what became of each sensor. */
interface SamplerReport {
  sensors: (SensorRecord & { activity: SensorActivity | null })[];
  durationNs: Nanoseconds;
  /** CPU time of the sampler's thread; null where threads cannot be told apart. */
  cpuTimeNs: Nanoseconds | null;
  /** The same as a share of one core. */
  cpuShare: number | null;
  samples: number;
  /** Samples dropped because the ring was full. */
  dropped: number;
  /** Readings that came too late to be taken. */
  missed: number;
  warnings: Warning[];
}

export interface Sampler {
  readonly sensors: readonly SensorRecord[];
  /** The samples since the last call, in order of time by channel. Call it before the ring is full. */
  drain(): Sample[];
  /** Lead of the sampler thread's clock, and the bound within which it is known. */
  clockOffset(): Promise<{ offsetNs: Nanoseconds; withinNs: Nanoseconds }>;
  /** Ends the thread. What it sampled last can still be drained. Never rejects. */
  stop(): Promise<SamplerReport>;
}

// Workers load no TypeScript: where the sources run, as in tests, the compiled thread is taken.
const builtThread = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/sampling/sampler-thread.js' : './sampler-thread.js',
    import.meta.url,
  ),
);
const defaultCapacity = 2 ** 16;
const second = 1e9;
// The first call of nvidia-smi after boot alone may take twenty seconds.
const startWithinMs = 60_000;
const stopWithinMs = 5000;
const clockRounds = 32;

/**
 * Starts the sampler's thread and waits until its sensors are open and their periods known. A sensor that
 * cannot be read is recorded so; only a thread that cannot be started throws `sampler-failed`.
 */
export async function startSampler(options: SamplerOptions): Promise<Sampler> {
  // The thread inherits the answer, and so does the next: a doctor starts two.
  for (const spec of options.sensors) if (spec.sensor === 'nvml') await nvmlTrouble(spec.libraryPath);
  const memory = ringMemory(options.capacity ?? defaultCapacity);
  const task: SamplerTask = {
    sensors: options.sensors,
    originNs: options.originNs,
    ring: memory,
    bell: bellMemory(),
    calibrateForNs: options.calibrateForNs ?? second,
    rateFactor: options.rateFactor ?? 1,
  };
  const thread = new SamplerThread(new Worker(builtThread, { workerData: task }), task.bell);
  const ready = await thread.next('ready', startWithinMs);
  if ('failure' in ready) {
    await thread.end();
    throw new TokenworkError(
      'sampler-failed',
      `The sampler could not be started: ${ready.failure}`,
      'Run without sensors, or ask which of them fails with: tokenwork doctor',
    );
  }
  const ring = new SampleRing(memory);
  const clock = () => Number(process.hrtime.bigint() - options.originNs);
  const startedNs = clock();
  let report: Promise<SamplerReport> | null = null;
  return {
    sensors: ready.records,
    drain: () => ring.drain(),
    async clockOffset() {
      let best = { offsetNs: Number.NaN, withinNs: Number.POSITIVE_INFINITY };
      for (let round = 0; round < clockRounds; round++) {
        const askedNs = clock();
        thread.tell({ kind: 'clock' });
        const answer = await thread.next('clock');
        if ('failure' in answer) break;
        // Cristian 1989: the answer was given somewhere within the round trip.
        const withinNs = (clock() - askedNs) / 2;
        if (withinNs < best.withinNs) best = { offsetNs: answer.nowNs - askedNs - withinNs, withinNs };
      }
      return best;
    },
    stop() {
      report ??= (async () => {
        thread.tell({ kind: 'stop' });
        const answer = await thread.next('stopped', stopWithinMs);
        await thread.end();
        return reportOf(ready.records, answer, ring.dropped, clock() - startedNs);
      })();
      return report;
    },
  };
}

type Message<Kind extends FromSampler['kind']> = Extract<FromSampler, { kind: Kind }>;

/** The worker as a sequence of answers, of which each may fail to come. */
class SamplerThread {
  readonly #worker: Worker;
  readonly #bell: SharedArrayBuffer;
  readonly #answers: FromSampler[] = [];
  #failure: string | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(worker: Worker, bell: SharedArrayBuffer) {
    this.#worker = worker;
    this.#bell = bell;
    worker.on('message', (message: FromSampler) => {
      this.#answers.push(message);
      this.#wake();
    });
    worker.on('error', (error) => this.#fail(messageOf(error)));
    worker.on('exit', (code) => this.#fail(`its thread ended with ${code}`));
    worker.unref(); // A sampler that hangs in a driver must not keep the process from ending.
  }

  tell(message: ToSampler): void {
    this.#worker.postMessage(message);
    ringBell(this.#bell);
  }

  async next<Kind extends FromSampler['kind']>(
    kind: Kind,
    withinMs?: number,
  ): Promise<Message<Kind> | { failure: string }> {
    // The worker does not keep the process alive; while an answer is awaited, the timer does.
    const timer = setTimeout(
      () => this.#fail(`it gave no answer within ${withinMs} ms`),
      withinMs ?? 2 ** 31 - 1,
    );
    try {
      for (;;) {
        const index = this.#answers.findIndex((answer) => answer.kind === kind);
        if (index >= 0) return this.#answers.splice(index, 1)[0] as Message<Kind>;
        if (this.#failure !== null) return { failure: this.#failure };
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the worker, without waiting for one that is stuck in native code. */
  async end(): Promise<void> {
    const ended = this.#worker.terminate();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      ended,
      new Promise((resolve) => {
        timer = setTimeout(resolve, 1000);
      }),
    ]);
    clearTimeout(timer);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #fail(why: string): void {
    this.#failure ??= why;
    this.#wake();
  }
}

function reportOf(
  records: readonly SensorRecord[],
  answer: Message<'stopped'> | { failure: string },
  dropped: number,
  elapsedNs: Nanoseconds,
): SamplerReport {
  if ('failure' in answer) {
    return {
      sensors: records.map((record) => ({ ...record, activity: null })),
      durationNs: elapsedNs,
      cpuTimeNs: null,
      cpuShare: null,
      samples: 0,
      dropped,
      missed: 0,
      warnings: [
        {
          code: 'sampler-died',
          message: `The sampler ended before the run: ${answer.failure}. What it sampled until then counts.`,
          hint: 'Find the sensor that fails with: tokenwork doctor',
        },
      ],
    };
  }
  const { durationNs, cpuTimeNs, activities } = answer;
  const active = [...activities];
  const sum = (key: 'samples' | 'missed') => activities.reduce((total, activity) => total + activity[key], 0);
  return {
    // The loop runs the available ones, in the same order.
    sensors: records.map((record) => ({
      ...record,
      activity: record.available ? (active.shift() ?? null) : null,
    })),
    durationNs,
    cpuTimeNs,
    cpuShare: cpuTimeNs === null ? null : cpuTimeNs / durationNs,
    samples: sum('samples'),
    dropped,
    missed: sum('missed'),
    warnings: [...lossWarnings(records, activities), ...dropWarnings(dropped)],
  };
}

function lossWarnings(records: readonly SensorRecord[], activities: readonly SensorActivity[]): Warning[] {
  const channels = records.flatMap((record) => record.channels);
  return activities.flatMap(({ name, lost }) => {
    const [first] = lost;
    if (!first) return [];
    const what = lost.map(({ channel }) => {
      const { device, quantity } = channels.find(({ id }) => id === channel)!;
      return `${device} ${quantity}`;
    });
    return [
      {
        code: 'sensor-lost',
        message: `${name} ended ${(first.atNs / second).toFixed(1)} s into the run (${what.join(', ')}): ${first.why}`,
        hint: 'Figures drawn from it after that are null; check it with: tokenwork doctor',
      },
    ];
  });
}

function dropWarnings(dropped: number): Warning[] {
  if (dropped === 0) return [];
  return [
    {
      code: 'samples-dropped',
      message: `${dropped} samples were lost because they were not collected in time.`,
      hint: 'The figures of that time are less sharp, and say so; run on a less busy machine.',
    },
  ];
}
