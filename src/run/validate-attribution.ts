import type { PlannedCell } from '../workload/plan.js';
import type { Journal } from './journal.js';
import type { Lane, Limits } from './lane.js';
import { runRepeatedly, type WindowRule } from './repeated-run.js';

/** So many cells, evenly spaced, stand for all; each runs so often. */
const mostCells = 20;
const runsPerCell = 3;

interface AloneOptions {
  cells: readonly PlannedCell[];
  lane: Lane;
  journal: Journal;
  limitsOf(cell: PlannedCell): Limits;
  rule: WindowRule | null;
  signal: AbortSignal | undefined;
}

/**
 * Runs the cells' requests with nothing beside them, for what they use then: the counter window that holds
 * only one request, which sharing among several is held against. A request that fails is left out.
 */
export async function measureAlone(options: AloneOptions): Promise<void> {
  const { lane, journal, limitsOf, rule, signal } = options;
  const stopped = () => signal?.aborted ?? false;
  const stop = () => lane.stop();
  signal?.addEventListener('abort', stop);
  try {
    for (let round = 0; round < runsPerCell; round++) {
      for (const cell of evenly(options.cells, mostCells)) {
        if (stopped()) return;
        const { first, window } = await runRepeatedly(
          lane,
          cell.model,
          cell.request,
          limitsOf(cell),
          rule,
          stopped,
        );
        if (first.reply.status === 'failed') continue;
        const { times, work } = first.reply;
        journal.append({
          kind: 'alone',
          cell: cell.id,
          startedNs: times.started,
          endedNs: window?.endedNs ?? times.lastToken,
          runs: window?.runs ?? 1,
          cpuTimeNs: window === null ? work.cpuTime : window.cpuTimeNs,
        });
      }
    }
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function evenly<Item>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)]!);
}
