import { fileURLToPath } from 'node:url';
import { messageOf, TokenworkError } from '../../core/errors.js';
import type { LoadedWorker, WorkerModel } from './protocol.js';
import { openWorkerSlot, type WorkerSlot } from './slot.js';

export interface WorkerPool {
  /** One per worker; a request goes to a slot, and so to a known worker. */
  readonly slots: readonly WorkerSlot[];
  /** The models that the workers opened; all workers open the same. */
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
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/run/workers/worker.js' : './worker.js',
    import.meta.url,
  ),
);

/**
 * Starts the workers and opens the models in each. Throws one TokenworkError where a model does not open,
 * whatever the number of workers.
 */
export async function openPool(options: PoolOptions): Promise<WorkerPool> {
  const { workers, models, originNs, workerFile = builtWorker } = options;
  const slots = Array.from({ length: workers }, (_, index) =>
    openWorkerSlot({ index, models, originNs, alone: workers === 1, workerFile }),
  );
  const close = async () => void (await Promise.all(slots.map((slot) => slot.close())));
  try {
    // The first one alone: what it cannot open, none can.
    const loaded = await slots[0]!.load();
    await Promise.all(slots.slice(1).map((slot) => slot.load()));
    return { slots, loaded, stop: () => slots.forEach((slot) => void slot.stop()), close };
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
