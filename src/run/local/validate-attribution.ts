import type { Journal } from '../../journal/append.js';
import { evenly } from '../../journal/state.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { Limits, WindowRule, WorkerSlot } from '../workers/slot.js';

/** So many cells, evenly spaced, stand for all; each runs so often. */
const mostCells = 20;
const runsPerCell = 3;

interface AloneOptions {
  cells: readonly PlannedCell[];
  slot: WorkerSlot;
  journal: Journal;
  limitsOf(cell: PlannedCell): Limits;
  rule: WindowRule | null;
  /** Times that each cell has run alone already, before the run was killed. */
  done: ReadonlyMap<string, number>;
  signal: AbortSignal | undefined;
}

/**
 * Runs the cells' requests with nothing beside them, for what they use then: the counter window that holds
 * only one request, which sharing among several is held against. A request that fails is left out.
 */
export async function measureAlone(options: AloneOptions): Promise<void> {
  const { slot, journal, limitsOf, rule, done, signal } = options;
  journal.append({ kind: 'validation', state: 'begun' });
  const stopped = () => signal?.aborted ?? false;
  const stop = () => slot.stop();
  signal?.addEventListener('abort', stop);
  try {
    for (let round = 0; round < runsPerCell; round++) {
      for (const cell of evenly(options.cells, mostCells)) {
        if (stopped()) return journal.append({ kind: 'validation', state: 'stopped' });
        if ((done.get(cell.id) ?? 0) > round) continue;
        const { runs } = await slot.run(cell.model, cell.request, limitsOf(cell), rule);
        if (runs.length > 0) journal.append({ kind: 'alone', cell: cell.id, runs });
      }
    }
    journal.append({ kind: 'validation', state: stopped() ? 'stopped' : 'done' });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
