import type { Stage } from '../../core/result.js';
import type { Nanoseconds } from '../../core/units.js';
import type { JournalEntry } from '../../journal/entry.js';
import { nameOf, plainChat } from '../../stages/pipeline.js';
import type { RequestSpec } from '../../stages/request-spec.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { WorkerPool } from '../workers/pool.js';
import type { Limits } from '../workers/slot.js';

type Alongside = NonNullable<Extract<JournalEntry, { kind: 'warmup' }>['alongside']>;

export interface WarmUp {
  requests: number;
  /** The share of models other than the cells' own: a classifier, a draft. */
  alongside: Alongside;
}

export interface WarmingUp {
  pool: Pick<WorkerPool, 'slots' | 'stop'>;
  /** All of one model. */
  cells: readonly PlannedCell[];
  requestsPerWorker: number;
  limitsOf(cell: PlannedCell): Limits;
  expectedNs(cell: PlannedCell): Nanoseconds;
  signal: AbortSignal | undefined;
}

/**
 * Runs requests that are discarded, on every worker: of every kind of request, so that every model that
 * takes part in any has run, and each kind of work has been done, before anything is measured.
 */
export async function warmUp(warming: WarmingUp): Promise<WarmUp> {
  const { pool, cells, requestsPerWorker, limitsOf, expectedNs, signal } = warming;
  const stop = () => pool.stop();
  signal?.addEventListener('abort', stop);
  const done: WarmUp = { requests: 0, alongside: {} };
  try {
    for (const cell of warmUpCells(cells, expectedNs)) {
      await Promise.all(
        pool.slots.map(async (slot) => {
          for (let request = 0; request < requestsPerWorker && !signal?.aborted; request++) {
            const { row } = await slot.run(cell.model, cell.request, limitsOf(cell));
            done.requests++;
            if ('stages' in row) addAlongside(done.alongside, row.stages, cell.request);
          }
        }),
      );
    }
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  return done;
}

/** The cells whose requests are run to warm up: of each kind one. */
export function warmUpCells(
  cells: readonly PlannedCell[],
  expectedNs: WarmingUp['expectedNs'],
): PlannedCell[] {
  return [...cellsByKind(cells)].map((alike) => medianCell(alike, expectedNs));
}

/** The cells of each pipeline, and within it of each kind of work that policies and chance make of it. */
function cellsByKind(cells: readonly PlannedCell[]): Iterable<PlannedCell[]> {
  const groups = new Map<string, PlannedCell[]>();
  for (const cell of cells) {
    const kind = kindOf(cell.request);
    groups.set(kind, [...(groups.get(kind) ?? []), cell]);
  }
  return groups.values();
}

function kindOf({ pipeline }: RequestSpec): string {
  if (pipeline === undefined) return '';
  const work = pipeline.stages.map((stage) => {
    switch (stage.type) {
      case 'safety': {
        const { flagged = false, sampled = false } = pipeline.drawn[nameOf(stage)] ?? {};
        return [stage.verify, flagged, sampled];
      }
      case 'retrieval':
        return stage.top > 0;
      case 'prefill':
        return stage.cache;
      case 'decode':
        return stage.speculation;
      default:
        return null;
    }
  });
  return JSON.stringify([pipeline.name, work]);
}

/** The cell in the middle by what it takes: warm-up is neither too little nor too long. */
function medianCell(cells: readonly PlannedCell[], expectedNs: WarmingUp['expectedNs']): PlannedCell {
  const sorted = [...cells].sort((a, b) => expectedNs(a) - expectedNs(b));
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

/** Counts a request for each other model that ran in it, with the time of the stages that it ran in. */
function addAlongside(
  alongside: Alongside,
  stages: readonly Stage[],
  { pipeline = plainChat }: RequestSpec,
): void {
  const lasted = new Map<string, Nanoseconds>();
  for (const { name, type, model, times } of stages) {
    const policy = pipeline.stages.find((stage) => nameOf(stage) === name);
    // Drafts run in the stage of the model that verifies them.
    const draft = policy?.type === 'decode' && policy.speculation === 'draft' ? policy.draft : null;
    const ran = type === 'speculation' && draft !== null ? pipeline.models[draft] : model;
    if (ran === undefined || ran === null) continue;
    lasted.set(ran, (lasted.get(ran) ?? 0) + times.ended - times.started);
  }
  for (const [model, durationNs] of lasted) {
    const before = alongside[model] ?? { requests: 0, durationNs: 0 };
    alongside[model] = { requests: before.requests + 1, durationNs: before.durationNs + durationNs };
  }
}
