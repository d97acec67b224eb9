import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Piscina } from 'piscina';
import { monotonicClock } from '../core/clock.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import { requestTermination } from '../engines/onnx/open-decoder.js';
import type { RequestSpec } from '../workload/plan.js';
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

/** A worker and its replacements. Runs one request at a time. */
export interface Lane {
  readonly index: number;
  /** Opens the models in the worker. Throws TokenworkError where one does not open. */
  load(): Promise<LoadedWorker>;
  /**
   * Runs a request. Never throws for the request's sake: one whose worker dies or hangs has failed with
   * `worker-crashed` or `worker-hung`, and the next one gets a new worker. Throws as `load` where that
   * worker cannot open the models any more.
   */
  run(modelId: string, request: RequestSpec, limits: Limits): Promise<LaneOutcome>;
  /** Asks the running request to stop. */
  stop(): void;
  close(): Promise<void>;
}

export interface Limits {
  /** From being submitted; null for none. */
  deadlineMs: number | null;
  /** How long a request may go without finishing a step before it counts as hung. */
  patienceMs: number;
}

export interface LaneOutcome {
  submittedNs: Nanoseconds;
  reply: RunReply | { status: 'failed'; code: string; message: string; times: null };
}

export interface LaneOptions extends Pick<LoadTask, 'models' | 'originNs' | 'alone'> {
  index: number;
  workerFile: string;
  /** How long a request that was told to stop may take to do so before its worker is ended. */
  graceMs?: number;
}

/**
 * Opens a lane: a pool of one thread. Requests are handed to a worker by index rather than to whichever
 * is free, because a worker holds sessions, a control block and a termination handle of its own.
 */
export function openLane({ index, workerFile, graceMs = 5000, ...shared }: LaneOptions): Lane {
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
  let handles: Map<string, bigint | null> | null = null;
  pool.on('workerDestroy', () => {
    handles = null;
  });
  // A worker that dies idle has been replaced by the time this is told; the next request loads anew.
  pool.on('error', () => {});
  let running: Watch | null = null;
  /** Ends of workers that were killed: the pool forgets them at once, and does not wait for them. */
  const killed: Promise<unknown>[] = [];

  const load = async (): Promise<LoadedWorker> => {
    const task: LoadTask = { ...shared, control };
    const reply = await unlessWorkerFails<LoadReply>(pool, pool.run(task, { name: 'load' }));
    if ('error' in reply) {
      const { code, message, hint, exitCode } = reply.error;
      throw new TokenworkError(code, message, hint, { exitCode });
    }
    handles = new Map(reply.loaded.models.map((model) => [model.id, model.terminationHandle]));
    return reply.loaded;
  };

  const run: Lane['run'] = async (modelId, request, { deadlineMs, patienceMs }) => {
    if (handles === null) await load();
    const models = [modelId, ...Object.values(request.pipeline?.models ?? {})];
    const terminable = models.flatMap((id) => handles?.get(id) ?? []);
    Atomics.store(control, controlFields.stopRequested, 0);
    const worker = new AbortController();
    const submittedNs = clock.now();
    running = watchRequest({
      control,
      deadlineMs,
      patienceMs,
      graceMs,
      // Whichever of them runs; what the others are told is forgotten when they begin.
      terminate: () => terminable.forEach(requestTermination),
      kill: () => {
        killed.push(...pool.threads.map((thread) => once(thread, 'exit')));
        worker.abort();
      },
    });
    const watch = running;
    try {
      const deadlineNs = deadlineMs === null ? null : submittedNs + deadlineMs * 1e6;
      const task: RunTask = { modelId, request, submittedNs, deadlineNs };
      const reply: RunReply = await pool.run(task, { signal: worker.signal });
      if (watch.hung) return { submittedNs, reply: hungFailure(patienceMs) };
      return { submittedNs: reply.readyNs ?? submittedNs, reply };
    } catch (thrown) {
      if (watch.hung) return { submittedNs, reply: hungFailure(patienceMs) };
      return { submittedNs, reply: handles === null ? crashFailure(thrown) : thrownFailure(thrown) };
    } finally {
      running = null;
      watch.end();
    }
  };

  const close = async () => {
    if (handles !== null) {
      // A worker that does not answer any more is ended with its thread.
      const unloaded = pool.run(undefined, { name: 'unload' }).catch(() => {});
      await Promise.race([unloaded, delay(graceMs, undefined, { ref: false })]);
    }
    await endedOrStuck(Promise.all([pool.destroy(), ...killed]), graceMs);
  };

  return { index, load, run, stop: () => running?.stop(), close };
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

function hungFailure(patienceMs: number): LaneOutcome['reply'] {
  const message = `The worker finished no step within ${Math.round(patienceMs / 1000)} s or did not stop when told to; it was replaced.`;
  return { status: 'failed', code: 'worker-hung', message, times: null };
}

/** The worker lives on: only what it was running failed. */
function thrownFailure(thrown: unknown): LaneOutcome['reply'] {
  return { status: 'failed', code: 'request-failed', message: messageOf(thrown), times: null };
}

function crashFailure(thrown: unknown): LaneOutcome['reply'] {
  const message = `The worker died and was replaced: ${messageOf(thrown)}`;
  return { status: 'failed', code: 'worker-crashed', message, times: null };
}
