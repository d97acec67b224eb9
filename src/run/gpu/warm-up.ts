import type { ColdStart } from '../../core/records/model.js';
import type { Nanoseconds } from '../../core/units.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { WorkerPool } from '../workers/pool.js';
import type { Limits } from '../workers/slot.js';

export interface DeviceWarmup {
  pool: Pick<WorkerPool, 'slots' | 'stop'>;
  /** All of one model. */
  cells: readonly PlannedCell[];
  limitsOf(cell: PlannedCell): Limits;
  now(): Nanoseconds;
  signal: AbortSignal | undefined;
}

/** Enough to run a prefill, the first step after it and one more, which may be another kernel each. */
const warmupTokens = 4;
const settledWithin = 0.1;
const mostPasses = 6;
/** No further pass begins after this; the first, which compiles, is never cut short. */
const mostNs: Nanoseconds = 120e9;
/** Compiling for a software GPU takes many seconds a step. */
const stallTimeoutMs = 600_000;

/**
 * Runs every shape of request, since shaders are compiled when a shape first meets them, and repeats that
 * until a pass takes as long as the one before. The requests are discarded. A pass that failed settles
 * nothing and ends it: the requests to be measured will say why.
 */
export async function warmUpDevice(
  warmup: DeviceWarmup,
): Promise<{ requests: number; coldStart: ColdStart }> {
  const { pool, signal, now } = warmup;
  const shapes = shapesOf(warmup.cells);
  const stop = () => pool.stop();
  signal?.addEventListener('abort', stop);
  const passesNs: Nanoseconds[] = [];
  let requests = 0;
  let failed = false;
  const begunNs = now();
  try {
    while (!signal?.aborted && !failed && !isSettled(passesNs) && passesNs.length < mostPasses) {
      const startedNs = now();
      if (passesNs.length > 0 && startedNs - begunNs > mostNs) break;
      for (const { cell, request } of shapes) {
        if (signal?.aborted) break;
        const limits = { ...warmup.limitsOf(cell), stallTimeoutMs, deadlineMs: null };
        // The shaders are the process's: one worker compiles them for all.
        const { row } = await pool.slots[0]!.run(cell.model, request, limits);
        requests++;
        failed ||= row.outcome.status === 'failed';
      }
      passesNs.push(now() - startedNs);
    }
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  const [first = 0, last = 0] = [passesNs[0], passesNs.at(-1)];
  return {
    requests,
    coldStart: {
      shadersNs: Math.max(0, first - last),
      passes: passesNs.length,
      settled: !failed && isSettled(passesNs),
    },
  };
}

function isSettled(passesNs: readonly Nanoseconds[]): boolean {
  if (passesNs.length < 2) return false;
  const [before, last] = passesNs.slice(-2) as [number, number];
  return Math.abs(before - last) <= settledWithin * Math.max(before, last);
}

type Shape = Pick<PlannedCell, 'request'> & { cell: PlannedCell };

/** One short request of each shape: prompt and batch decide which kernels run. */
function shapesOf(cells: readonly PlannedCell[]): Shape[] {
  const shapes = new Map<string, Shape>();
  for (const cell of cells) {
    const { prompt, batch, completionTokens } = cell.request;
    // Other stages bring passes of other lengths.
    const through = cell.request.pipeline === undefined ? '' : cell.id;
    const key = `${batch}/${prompt.kind === 'synthetic' ? prompt.tokens : prompt.name}/${through}`;
    const request = { ...cell.request, completionTokens: Math.min(warmupTokens, completionTokens) };
    if (!shapes.has(key)) shapes.set(key, { cell, request });
  }
  return [...shapes.values()];
}
