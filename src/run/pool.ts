import { fileURLToPath } from 'node:url';
import { messageOf, TokenworkError } from '../core/errors.js';
import { type Lane, openLane } from './lane.js';
import type { LoadedWorker, WorkerModel } from './protocol.js';

export interface WorkerPool {
  /** One per worker; a request goes to a lane, and so to a known worker. */
  readonly lanes: readonly Lane[];
  /** What the workers opened; of all of them alike. */
  readonly loaded: LoadedWorker;
  /** Stops every running request, within its step where the engine can. */
  stop(): void;
  close(): Promise<void>;
}

export interface PoolOptions {
  workers: number;
  models: readonly WorkerModel[];
  /** Origin of the run's clock. */
  originNs: bigint;
  /** The module that workers run, for tests of misbehaving ones. */
  workerFile?: string;
}

// Workers load no TypeScript: beside the compiled pool stands the compiled worker, and where the sources
// run (tests), the build does. `globalSetup` in vitest.config.ts builds before tests do.
const builtWorker = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/run/worker.js' : './worker.js', import.meta.url),
);

/**
 * Starts the workers and opens the models in each. Throws one TokenworkError where a model does not open,
 * whatever the number of workers.
 */
export async function openPool(options: PoolOptions): Promise<WorkerPool> {
  const { workers, models, originNs, workerFile = builtWorker } = options;
  const lanes = Array.from({ length: workers }, (_, index) =>
    openLane({ index, models, originNs, alone: workers === 1, workerFile }),
  );
  const close = async () => void (await Promise.all(lanes.map((lane) => lane.close())));
  try {
    // The first one alone: what it cannot open, none can.
    const loaded = await lanes[0]!.load();
    await Promise.all(lanes.slice(1).map((lane) => lane.load()));
    return { lanes, loaded, stop: () => lanes.forEach((lane) => void lane.stop()), close };
  } catch (thrown) {
    await close();
    if (thrown instanceof TokenworkError) throw thrown;
    throw new TokenworkError(
      'worker-failed',
      `A worker did not start: ${messageOf(thrown)}`,
      'Install again with `npm ci`; if that does not help, run with --verbose.',
      { cause: thrown },
    );
  }
}
