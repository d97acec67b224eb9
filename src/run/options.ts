import type { Result } from '../core/result.js';
import type { Nanoseconds } from '../core/units.js';
import type { EngineName } from '../engines/engine.js';
import type { LocalSettings, ServedSettings } from '../journal/entry.js';
import type { Dtype } from '../models/dtype.js';
import type { GivenOptions, RunOptions } from '../workload/options/bench-options.js';
import type { Suite, SuiteDocument } from '../workload/suite.js';
import type { AskedDevice } from './gpu/choice.js';
import type { SensorChoice } from './sampling/choice.js';

/** Options of the command line as a run takes them. */
export function benchOptionsOf(given: GivenOptions): Partial<BenchOptions> {
  const {
    model,
    trace,
    prompts,
    answerTokens,
    limit,
    deadline,
    json: _json,
    quiet: _quiet,
    full: _full,
    failOn: _failOn,
    ...same
  } = given;
  return {
    ...same,
    ...(trace !== undefined && { trace: { path: trace, limit } }),
    ...(prompts !== undefined && { prompts: { path: prompts, limit, answerTokens } }),
    ...(model !== undefined && { models: model }),
    ...(deadline !== undefined && { deadlineMs: deadline * 1000 }),
  };
}

/** The options that decide what a run is, by their names on the command line; null where one cannot stand there. */
export function runOptionsOf(options: BenchOptions): RunOptions | null {
  const { suite, trace, prompts, models, deadlineMs, sensors } = options;
  if (typeof suite === 'object' || typeof sensors === 'object') return null;
  const { pipeline, dtype, device, engine, backend, threads, concurrency, repetitions, seed, warmup } =
    options;
  const { energy, validateAttribution, allowParityMismatch } = options;
  const { endpoint, api, shape, metricsUrl, retries } = options;
  const { arrivals, rate, speed, maxInFlight, catchUp } = options;
  return {
    ...{ suite, sensors, pipeline, dtype, device, engine, backend, threads },
    ...{ concurrency, repetitions, budget: options.budget, seed, warmup },
    ...{ energy, validateAttribution, allowParityMismatch },
    ...{ api, shape, retries, arrivals, rate, speed, maxInFlight, catchUp },
    endpoint: endpoint && [...endpoint],
    metricsUrl: metricsUrl && [...metricsUrl],
    model: models && [...models],
    trace: trace?.path,
    prompts: prompts?.path,
    answerTokens: prompts?.answerTokens,
    limit: (trace ?? prompts)?.limit,
    deadline: deadlineMs === undefined ? undefined : deadlineMs / 1000,
  };
}

export type BenchPhase =
  | 'models'
  | 'machine'
  | 'loading'
  | 'warm-up'
  | 'measuring'
  | 'validating'
  | 'memory'
  | 'writing';

/** The progress of a run. */
export interface BenchProgress {
  phase: BenchPhase;
  /** The phase in words; while measuring, the cell of the request that finished last. */
  message: string;
  /** Share of the phase that is done, 0 to 1; `null` where not known. */
  fraction: number | null;
  /** Requests, while measuring. */
  done: number;
  total: number;
  /** Time left to measure; `null` before there is anything to go by. */
  etaNs: Nanoseconds | null;
  /** A message that is worth a line of its own that stays. */
  note?: string;
}

/** Options of a run. The suite decides what is left out, or the run that is resumed. */
export interface BenchOptions {
  /**
   * A suite by name or path (default `quick`, or `plain` where models are named), or what would stand in its file; or, in
   * its place, a trace or prompts.
   */
  suite?: string | SuiteDocument | Suite | undefined;
  trace?: { path: string; limit?: number | undefined } | undefined;
  /**
   * A file or folder of prompts. Their answers are exactly `max_tokens` long, as the file says, or `answerTokens` (64).
   */
  prompts?: { path: string; limit?: number | undefined; answerTokens?: number | undefined } | undefined;
  /** A pipeline by name or path, in place of those that the workload names; reference requests stay plain chat. */
  pipeline?: string | undefined;
  /** Models that run in this process, or with `endpoint` the names of served ones. */
  models?: readonly string[] | undefined;
  dtype?: Dtype | undefined;
  /** `auto` (the default): a GPU that works, else the CPU. */
  device?: AskedDevice | undefined;
  /** Measures models whose logits on the GPU are not the CPU's, with a warning. */
  allowParityMismatch?: boolean | undefined;
  /** Of models that run in either; `auto` by default. */
  engine?: EngineName | 'auto' | undefined;
  backend?: LocalSettings['backend'] | undefined;
  /** Intra-op threads of each request. */
  threads?: number | undefined;
  /** Requests in flight. */
  concurrency?: number | undefined;
  repetitions?: number | undefined;
  /** Seconds that the run may take, in place of the suite's `budgetSeconds`; `none`: all cells are run. */
  budget?: number | 'none' | undefined;
  seed?: number | undefined;
  /** Requests per worker and model that are run and discarded first. */
  warmup?: number | undefined;
  deadlineMs?: number | undefined;
  /** Whether the machine's ceilings are measured before and after; they are by default. */
  ceilings?: boolean | undefined;
  /** Sensors that are sampled beside the requests; `auto` by default. */
  sensors?: SensorChoice | undefined;
  /** A new file that every sample of the run's sensors is written to, to be played as `recorded:FILE`. */
  recordSensors?: string | undefined;
  /** Time for which counters are watched before the first request, to see how often they tick; 1 s by default. */
  calibrateForNs?: Nanoseconds | undefined;
  /** Repeats each request until a window is long enough for its energy to be told. */
  energy?: boolean | undefined;
  /** Holds the sharing of counters among concurrent requests against the same requests alone. */
  validateAttribution?: boolean | undefined;
  /** Addresses of servers that requests are sent to, in place of models in this process. */
  endpoint?: readonly string[] | undefined;
  api?: ServedSettings['api'] | undefined;
  /** The environment variable that holds the servers' key. */
  apiKeyEnv?: string | undefined;
  /** `NAME=VALUE`, sent with every request to a server and written nowhere. */
  header?: readonly string[] | undefined;
  /** PEM file of certificates to trust beside the system's. */
  ca?: string | undefined;
  /** The servers' model, to count its FLOPs and bytes: a recipe, a config.json, a folder or a GGUF file. */
  shape?: string | undefined;
  /** The server's process on this machine; by default the one that listens on its port. */
  serverPid?: number | undefined;
  /** Counters in Prometheus' format, of the server or of its devices. */
  metricsUrl?: readonly string[] | undefined;
  /** Times that a request is sent again after 429 or 503; 0 by default. */
  retries?: number | undefined;
  /** When requests are sent to a server: `poisson`, `gamma:2`, `ramp:1-20`, `trace`, `sweep` …; `closed` by default. */
  arrivals?: string | undefined;
  /** Requests per second, or `A..B` of a sweep. */
  rate?: number | string | undefined;
  /** How many times as fast as recorded a trace is sent. */
  speed?: number | undefined;
  /** Requests that may be unanswered at once; others are not sent. */
  maxInFlight?: number | undefined;
  /** Requests whose time has passed are sent all the same, in a burst. */
  catchUp?: boolean | undefined;
  /** Path of the result; by default in the working directory, named after suite and time. */
  out?: string | undefined;
  /** Replaces the file at `out` where there is one. */
  force?: boolean | undefined;
  /** Models of more than 2 GiB are built, and public servers are sent requests, without asking. */
  yes?: boolean | undefined;
  /** Asks whether models of more than 2 GiB may be built, or requests sent to a public server. Without it and `yes` they are not. */
  confirm?: ((question: string) => Promise<boolean>) | undefined;
  /** The journal, or the incomplete result, of a run to go on with. */
  resume?: string | undefined;
  cacheDirectory?: string | undefined;
  /** The command line, for the record. */
  command?: string | undefined;
  /** What measures, for the record: this version and its commit by default. */
  tool?: Omit<Result['tool'], 'name'> | undefined;
  /** Stops the run in good order: what has finished is kept, and can be resumed. */
  signal?: AbortSignal | undefined;
  /** Called often, on the thread that coordinates the run: it should return at once. */
  onProgress?: ((progress: BenchProgress) => void) | undefined;
}

/** Options of a run whose record is complete. */
export type RecordedOptions = BenchOptions & { command: string; tool: Omit<Result['tool'], 'name'> };
