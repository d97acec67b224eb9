import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Piscina } from 'piscina';
import { type Clock, monotonicClock } from '../../core/clock.js';
import type { FailureCode } from '../../core/codes.js';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import { requestTermination } from '../../engines/open.js';
import type { RequestSpec } from '../../stages/request-spec.js';
import {
  controlFields,
  type LoadedWorker,
  type LoadReply,
  type LoadTask,
  type RunReply,
  type RunTask,
} from './protocol.js';
import { endedOrStuck } from './stuck-threads.js';
import { type Watch, watchRequest } from './watchdog.js';

/** The interval at which counters are checked for having moved enough. */
const lookEveryMs = 20;

/** A place for one worker thread: it runs one request at a time, and replaces the thread where that dies or hangs. */
export interface WorkerSlot {
  readonly index: number;
  /** Opens the models in the worker. Throws TokenworkError where one does not open. */
  load(): Promise<LoadedWorker>;
  /**
   * Runs a request. A request that fails is an answer: with `worker-crashed` or `worker-hung` where its worker
   * died or hung, and the next request gets a new worker. Throws as `load` does where that cannot open the models.
   */
  run(modelId: string, request: RequestSpec, limits: Limits, rule?: WindowRule | null): Promise<RunReply>;
  /** Runs a request as `run` does, for its peak memory alone. */
  runForMemory(modelId: string, request: RequestSpec, limits: Limits): Promise<RunReply>;
  /** Asks the running request to stop. */
  stop(): void;
  close(): Promise<void>;
}

/** The rule by which a request is repeated. */
export interface WindowRule {
  /** The time that its runs take together, without the gaps between them. */
  windowNs: Nanoseconds;
  /** Whether the counters have moved often enough since that time. */
  hasMoved(sinceNs: Nanoseconds): boolean;
}

export interface Limits {
  /** Counts from submission; null for none. */
  deadlineMs: number | null;
  /** A request that finishes no step for this long counts as hung. */
  stallTimeoutMs: number;
}

export interface SlotOptions extends Pick<LoadTask, 'models' | 'originNs' | 'alone'> {
  index: number;
  workerFile: string;
  /** Time that a request which was told to stop has to do so before its worker is ended. */
  graceMs?: number;
}

/**
 * Opens a slot: a pool of one thread. Requests are handed to a worker by index rather than to whichever
 * is free, because a worker holds sessions, a control block and a termination handle of its own.
 */
export function openWorkerSlot({ index, workerFile, graceMs = 5000, ...shared }: SlotOptions): WorkerSlot {
  const control = new Int32Array(new SharedArrayBuffer(4 * controlFields.count));
  const clock = monotonicClock(shared.originNs);
  // With atomics 'sync', an idle worker blocks on Atomics.wait, and its timers with it.
  const pool = new Piscina({
    filename: workerFile,
    name: 'run',
    minThreads: 1,
    maxThreads: 1,
    atomics: 'disabled',
    recordTiming: false,
  });
  let stops: Map<string, () => void> | null = null;
  pool.on('workerDestroy', () => {
    stops = null;
  });
  // A worker that dies idle has been replaced by the time this is told; the next request loads anew.
  pool.on('error', (error) => log('worker %d: %s', index, error));
  let running: Watch | null = null;
  /** Ends of workers that were killed: the pool forgets them at once, and does not wait for them. */
  const killed: Promise<unknown>[] = [];

  const load = async (): Promise<LoadedWorker> => {
    const task: LoadTask = { ...shared, control };
    const reply = await unlessWorkerFails<LoadReply>(pool, pool.run(task, { name: 'load' }));
    if ('error' in reply) {
      const { code, message, hint } = reply.error;
      throw new TokenworkError(code, message, hint);
    }
    stops = new Map(
      reply.loaded.models.flatMap(({ id, record, terminationHandle: handle }) =>
        handle === null ? [] : [[id, () => requestTermination(record, handle)]],
      ),
    );
    return reply.loaded;
  };

  const runTask = async (
    modelId: string,
    request: RequestSpec,
    { deadlineMs, stallTimeoutMs }: Limits,
    rule: WindowRule | null,
    forMemory: boolean,
  ): Promise<RunReply> => {
    if (stops === null) await load();
    const models = [modelId, ...Object.values(request.pipeline?.models ?? {})];
    const terminable = models.flatMap((id) => stops?.get(id) ?? []);
    Atomics.store(control, controlFields.stopRequested, 0);
    Atomics.store(control, controlFields.runsDone, 0);
    const worker = new AbortController();
    const submittedNs = clock.now();
    running = watchRequest({
      control,
      deadlineMs,
      stallTimeoutMs,
      graceMs,
      // Whichever of them runs; what the others are told is forgotten when they begin.
      terminate: () => {
        for (const stop of terminable) stop();
      },
      kill: () => {
        killed.push(...pool.threads.map((thread) => once(thread, 'exit')));
        worker.abort();
      },
    });
    const watch = running;
    const moves = rule && watchCounters(control, rule, clock);
    try {
      const repeatForNs = rule?.windowNs ?? null;
      const task: RunTask = { modelId, request, submittedNs, deadlineMs, repeatForNs, forMemory };
      const reply: RunReply = await pool.run(task, { signal: worker.signal });
      return watch.hung ? hungFailure(stallTimeoutMs) : reply;
    } catch (thrown) {
      if (watch.hung) return hungFailure(stallTimeoutMs);
      return stops === null ? crashFailure(thrown) : thrownFailure(thrown);
    } finally {
      running = null;
      watch.end();
      if (moves) clearInterval(moves);
    }
  };

  const close = async () => {
    if (stops !== null) {
      // A worker that does not answer any more is ended with its thread.
      const unloaded = pool
        .run(undefined, { name: 'unload' })
        .catch((error) => log('worker %d does not unload: %s', index, error));
      await Promise.race([unloaded, delay(graceMs, undefined, { ref: false })]);
    }
    await endedOrStuck(Promise.all([pool.destroy(), ...killed]), graceMs);
  };

  const run: WorkerSlot['run'] = (modelId, request, limits, rule = null) =>
    runTask(modelId, request, limits, rule, false);
  const runForMemory: WorkerSlot['runForMemory'] = (modelId, request, limits) =>
    runTask(modelId, request, limits, null, true);
  return { index, load, run, runForMemory, stop: () => running?.stop(), close };
}

/** Tells the worker when the counters have moved often enough since the request first ended, or later. */
function watchCounters(control: Int32Array, { hasMoved }: WindowRule, clock: Clock): NodeJS.Timeout {
  Atomics.store(control, controlFields.countersMoved, 0);
  let sinceNs: Nanoseconds | null = null;
  return setInterval(() => {
    if (Atomics.load(control, controlFields.runsDone) === 0) return;
    sinceNs ??= clock.now();
    if (hasMoved(sinceNs)) Atomics.store(control, controlFields.countersMoved, 1);
  }, lookEveryMs);
}

/** `task`, or the error of a worker that dies before it takes the task. */
async function unlessWorkerFails<Reply>(pool: Piscina, task: Promise<Reply>): Promise<Reply> {
  const ended = new AbortController();
  try {
    const failure = once(pool, 'error', { signal: ended.signal }).then(([error]) => Promise.reject(error));
    return await Promise.race([task, failure]);
  } finally {
    ended.abort();
  }
}

function hungFailure(stallTimeoutMs: number): RunReply {
  const seconds = Math.round(stallTimeoutMs / 1000);
  return failed(
    'worker-hung',
    `The worker finished no step within ${seconds} s or did not stop when told to; it was replaced.`,
  );
}

/** The worker lives on: only what it was running failed. */
function thrownFailure(thrown: unknown): RunReply {
  return failed('request-failed', messageOf(thrown));
}

function crashFailure(thrown: unknown): RunReply {
  return failed('worker-crashed', `The worker died and was replaced: ${messageOf(thrown)}`);
}

function failed(code: FailureCode, message: string): RunReply {
  const outcome = { status: 'failed' as const, code, message };
  return { row: { outcome, tokens: null, times: null }, runs: [], preparations: [] };
}
