import type { WorkMetric } from '../../core/metrics.js';
import type { RequestTable, StageTable } from '../requests/request-table.js';
import { componentOf } from './component-names.js';

/**
 * The stages of requests as columns, one entry per request: 0 where the stage did not run. A stage that ran
 * several times in a request (an agent's turns) is summed.
 */
export interface StageColumns {
  table: RequestTable;
  /** Which of the table's requests the entries are. */
  requests: Uint32Array;
  /** In the order in which they run. */
  stages: readonly StageColumn[];
  /** Which of `stages` each kind of the table is. */
  position: Uint32Array;
}

export interface StageColumn {
  name: string;
  /** The component it belongs to, in words. */
  component: string;
  /** 1 where it ran. */
  ran: Uint8Array;
  /** Positions that a model evaluated. */
  positions: Float64Array;
  /** Those billed that were evaluated, and those read from a cache. */
  fresh: Float64Array;
  cached: Float64Array;
  /** Whether any request is billed for it. */
  bills: boolean;
}

/** One metric's work of one stage, per request; `NaN` where the stage ran and was not measured. */
export interface StageWork {
  work: Float64Array;
  /** The part of it on positions that no field of `usage` counts. */
  uncounted: Float64Array;
}

/** The stages of some requests, or of all. */
export function stageColumns(
  table: RequestTable,
  requests: Uint32Array = Uint32Array.from({ length: table.size }, (_, i) => i),
): StageColumns {
  const { kinds, first, stage, positions, billed, cached } = table.stages;
  const size = requests.length;
  const ordered = kindsInOrder(table.stages, requests);
  const stages = ordered.map((kind) => ({
    name: kinds[kind]!.name,
    component: componentOf(kinds[kind]!),
    ran: new Uint8Array(size),
    positions: new Float64Array(size),
    fresh: new Float64Array(size),
    cached: new Float64Array(size),
    bills: false,
  }));
  const position = new Uint32Array(kinds.length);
  for (const [index, kind] of ordered.entries()) position[kind] = index;
  for (let k = 0; k < size; k++) {
    const end = first[requests[k]! + 1]!;
    for (let e = first[requests[k]!]!; e < end; e++) {
      const column = stages[position[stage[e]!]!]!;
      column.ran[k] = 1;
      column.bills ||= billed[e]! > 0;
      column.positions[k]! += positions[e]!;
      column.fresh[k]! += Math.max(0, billed[e]! - cached[e]!);
      column.cached[k]! += cached[e]!;
    }
  }
  return { table, requests, stages, position };
}

/** Whether any stage of any request measured the metric. */
export function isStaged({ stages }: RequestTable, metric: WorkMetric): boolean {
  return stages.metrics[metric] !== undefined;
}

/** The stages' work in one metric. */
export function stageWork(
  { table: { stages: entries }, requests, stages, position }: StageColumns,
  metric: WorkMetric,
): StageWork[] {
  const { first, stage } = entries;
  const amounts = entries.metrics[metric] ?? new Float64Array(stage.length).fill(Number.NaN);
  const works = stages.map(() => ({
    work: new Float64Array(requests.length),
    uncounted: new Float64Array(requests.length),
  }));
  for (let k = 0; k < requests.length; k++) {
    const end = first[requests[k]! + 1]!;
    for (let e = first[requests[k]!]!; e < end; e++) {
      const { work, uncounted } = works[position[stage[e]!]!]!;
      work[k]! += amounts[e]!;
      uncounted[k]! += amounts[e]! * (1 - countedShare(entries, e));
    }
  }
  return works;
}

/**
 * Which share of a stage's positions some field of `usage` counts. A stage that evaluates none (a look-up
 * in the cache) counts whole where it moves a field, and not at all where it moves none.
 */
function countedShare({ visible, positions, billed, cached }: StageTable, e: number): number {
  if (visible[e] === 0) return 0;
  return positions[e] === 0 ? 1 : Math.min(1, Math.max(0, billed[e]! - cached[e]!) / positions[e]!);
}

/** The kinds of stages that ran; one that only some requests have stands after the stage it follows there. */
function kindsInOrder({ first, stage }: StageTable, requests: Uint32Array): number[] {
  const ordered: number[] = [];
  const known = new Set<number>();
  for (const i of requests) {
    let previous = -1;
    for (let e = first[i]!; e < first[i + 1]!; e++) {
      const kind = stage[e]!;
      if (known.has(kind)) {
        // Most stages follow the one before in the order as in the request.
        if (ordered[previous + 1] === kind) previous++;
        else previous = ordered.indexOf(kind);
        continue;
      }
      known.add(kind);
      ordered.splice(++previous, 0, kind);
    }
  }
  return ordered;
}
