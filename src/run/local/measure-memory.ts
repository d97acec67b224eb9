import type { Journal } from '../../journal/append.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { Limits, WorkerSlot } from '../workers/slot.js';

interface MemoryOptions {
  cells: readonly PlannedCell[];
  slot: WorkerSlot;
  journal: Journal;
  limitsOf(cell: PlannedCell): Limits;
  signal: AbortSignal | undefined;
}

/**
 * Runs a request of each cell once more for its peak memory, and nothing else of it: the worker has the allocator give
 * back what earlier requests have left, and getting it again costs time. One that fails has none.
 */
export async function measureMemory({
  cells,
  slot,
  journal,
  limitsOf,
  signal,
}: MemoryOptions): Promise<void> {
  const stop = () => slot.stop();
  signal?.addEventListener('abort', stop);
  try {
    for (const cell of cells) {
      if (signal?.aborted) return;
      journal.append({ kind: 'memory', cell: cell.id });
      const { row } = await slot.runForMemory(cell.model, cell.request, limitsOf(cell));
      const peakBytes = row.outcome.status === 'ok' ? (row.work?.peakMemory ?? null) : null;
      if (signal?.aborted && peakBytes === null) return;
      journal.append({ kind: 'memory', cell: cell.id, peakBytes });
    }
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
