import { monotonicClock } from '../../core/clock.js';
import type { Warning } from '../../core/codes.js';
import { log } from '../../core/log.js';
import type { Ceilings } from '../../core/result.js';
import type { Bytes } from '../../core/units.js';
import type { Journal } from '../../journal/append.js';
import type { JournalEntry, JournalModel } from '../../journal/entry.js';
import { cellsForMemory, isPending, type ValidationState } from '../../journal/state.js';
import { energyUnavailable, windowOf } from '../../sampling/attribution/energy-window.js';
import { openCpuClock } from '../../sensors/linux/cpu-time.js';
import { nvmlTrouble } from '../../sensors/nvidia/nvml-probe.js';
import type { PlannedCell } from '../../workload/plan.js';
import { type ScheduledRequest, schedule } from '../../workload/schedule.js';
import { warmUpDevice } from '../gpu/warm-up.js';
import type { BenchOptions } from '../options.js';
import { measuringProgress, tell } from '../progress.js';
import type { SensorRecorder } from '../sampling/recorder.js';
import { type RunSampling, startSampling } from '../sampling/start.js';
import { refuseStopped } from '../stopped.js';
import { openPool, type WorkerPool } from '../workers/pool.js';
import type { LoadedWorker } from '../workers/protocol.js';
import type { Limits } from '../workers/slot.js';
import { expectedTime, ratesOf, stallTimeoutMs } from './expected-time.js';
import { measure } from './measure.js';
import { measureMemory } from './measure-memory.js';
import { type OpenModels, openModels } from './open-models.js';
import type { PreparedRun } from './prepare.js';
import { measureAlone } from './validate-attribution.js';
import { warmUp } from './warm-up.js';

/** Measuring in one process: a whole run, or the part of one that is left. */
export interface Segment {
  prepared: PreparedRun;
  journal: Journal;
  originNs: bigint;
  ceilings: Ceilings | null;
  /** Requests that are done. */
  finished: ReadonlySet<number>;
  /** Times that a process died while it ran a request. */
  crashes: ReadonlyMap<number, number>;
  validation: ValidationState;
  /** Peak memory by cell, of those that had a request of their own for it. */
  memory: ReadonlyMap<string, Bytes | null>;
  /** Whether it is all that is left. */
  memoryPending: boolean;
  options: BenchOptions;
  recorder: SensorRecorder | null;
  /** Called when the workers are ready, and nothing has been measured. */
  onReady(ready: Ready): void;
}

/** Everything that is open when measuring may begin. */
export interface Ready {
  loaded: LoadedWorker;
  records: JournalModel[];
  sensors: RunSampling['sensors'];
  warnings: Warning[];
}

/** A request that killed the process twice would kill it for ever. */
const crashesAllowed = 1;

/**
 * Opens models and workers, warms them up and measures what is not finished. Returns when all is measured
 * or the signal has stopped it. Throws what opening models, starting workers and journalling throw.
 */
export async function runSegment(segment: Segment): Promise<void> {
  const { prepared, journal, finished, crashes, options } = segment;
  const { settings, models, cells } = prepared;
  const { onProgress } = options;
  const unfinished = schedule({ ...prepared, ...settings }, settings).filter(({ id }) => !finished.has(id));
  const requests = unfinished.filter(({ id }) => (crashes.get(id) ?? 0) <= crashesAllowed);
  for (const request of unfinished) {
    if (!requests.includes(request)) journal.append(crashed(request));
  }
  const { memory, memoryPending } = segment;
  if (requests.length === 0 && !isPending(settings, segment.validation) && !memoryPending) return;

  tell(onProgress, 'loading', `opening ${models.map(({ id }) => id).join(', ')}`);
  const { now } = monotonicClock(segment.originNs);
  const { calibrateForNs } = options;
  const { sensors: chosen } = prepared;
  const { originNs, recorder } = segment;
  // A worker asks how much of a GPU's memory it holds, and inherits the answer too.
  if (settings.device !== 'cpu') await nvmlTrouble();
  // Beside the loading of the models, as both take a second.
  const starting = startSampling({ chosen, originNs, now, recorder, calibrateForNs });
  let opened: OpenModels | null = null;
  let pool: WorkerPool | null = null;
  try {
    opened = await openModels(models, cells, settings, options.signal);
    refuseStopped(options);
    const { workerModels, warnings } = opened;
    pool = await openPool({
      workers: settings.concurrency,
      models: workerModels,
      originNs,
    });
    refuseStopped(options);
    const sampling = await starting;
    const { sensors } = sampling;
    segment.onReady({
      loaded: pool.loaded,
      records: opened.records(pool.loaded),
      sensors,
      warnings: [...warnings, ...sampling.warnings, ...energyUnavailable(settings.sampling, sensors)],
    });
    sampling.begin(journal);
    const limitsOf = await measureWith(pool, requests, segment, sampling);
    await sampling.end();
    // Once nothing is sampled any more: it is in no other figure.
    if (pool.loaded.memoryApart) {
      const left = cellsForMemory(cells, settings, memory);
      if (left.length > 0) tell(onProgress, 'memory', 'running requests for their peak memory');
      const { signal } = options;
      await measureMemory({ cells: left, slot: pool.slots[0]!, journal, limitsOf, signal });
    }
  } finally {
    await (await starting).abandon();
    await pool?.close();
    opened?.close();
  }
}

/** Returns the limits that requests of a cell have. */
async function measureWith(
  pool: WorkerPool,
  requests: readonly ScheduledRequest[],
  { prepared, journal, originNs, ceilings, validation, options }: Segment,
  sampling: RunSampling,
): Promise<(cell: PlannedCell) => Limits> {
  const { settings, models, cells } = prepared;
  const { onProgress, signal } = options;
  const { now } = monotonicClock(originNs);
  const rates = ratesOf(ceilings);
  const costs = new Map(models.map(({ id, folder }) => [id, folder.cost]));
  const expected = new Map(
    cells.map((cell) => [cell, expectedTime(cell.request, costs.get(cell.model)!, rates)]),
  );
  const limitsOf = (cell: PlannedCell): Limits => ({
    deadlineMs: settings.deadlineMs,
    stallTimeoutMs: stallTimeoutMs(expected.get(cell)!.prefillNs),
  });

  await sampling.rest('idle-before', signal);
  for (const { id } of models) {
    const own = cells.filter(({ model }) => model === id);
    // A model that pipelines alone ask for is warmed up with them.
    if (own.length === 0) continue;
    tell(onProgress, 'warm-up', `warming up ${id}`);
    const startedNs = now();
    const cold =
      settings.device === 'cpu' ? null : await warmUpDevice({ pool, cells: own, limitsOf, now, signal });
    const { requests: count, alongside } = await warmUp({
      pool,
      cells: own,
      requestsPerWorker: settings.warmup,
      limitsOf,
      expectedNs: (cell) => expected.get(cell)!.requestNs,
      signal,
    });
    journal.append({
      kind: 'warmup',
      model: id,
      requests: count + (cold?.requests ?? 0),
      durationNs: now() - startedNs,
      alongside,
      ...(cold && { coldStart: cold.coldStart }),
    });
  }
  const onFinished = measuringProgress(
    requests,
    ({ cell }) => expected.get(cell)!.requestNs,
    now,
    onProgress,
  );
  const windowNs = windowOf(settings.sampling, sampling.sensors);
  log('energy window: %s', windowNs === null ? 'none' : `${windowNs / 1e6} ms`);
  const rule = windowNs === null ? null : { windowNs, hasMoved: sampling.hasMoved };
  const cpuClock = openCpuClock();
  sampling.measuring();
  await measure({ requests, pool, journal, limitsOf, rule, cpuClock, now, signal, onFinished });
  if (isPending(settings, validation) && !signal?.aborted) {
    tell(onProgress, 'validating', 'running the same requests alone');
    const { runs: done } = validation;
    await measureAlone({ cells, slot: pool.slots[0]!, journal, limitsOf, rule, done, signal });
  }
  await sampling.rest('idle-after', signal);
  return limitsOf;
}

function crashed({ id, cell, repetition }: ScheduledRequest): JournalEntry {
  const message = 'The process died both times that it ran this request.';
  return {
    kind: 'request',
    row: {
      id,
      cell: cell.id,
      repetition,
      worker: 0,
      outcome: { status: 'failed', code: 'process-crashed', message },
      tokens: null,
      times: null,
    },
    processCpuNs: 0,
  };
}
