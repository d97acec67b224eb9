import type { WorkMetric } from '../../core/metrics.js';
import type { OkRequest, Stage } from '../../core/result.js';
import { Room } from '../../stats/room.js';
import { componentOf } from './components.js';

/**
 * The stages of many requests as columns, one entry per request: 0 where the stage did not run. A stage
 * that ran several times in a request (an agent's turns) is summed.
 */
export interface StageColumns {
  rows: readonly OkRequest[];
  /** In the order in which they run. */
  stages: readonly StageColumn[];
  /** Request by request, and in it stage by stage: which of the stages it is, and its share of counted positions. */
  entries: { stage: Uint16Array; counted: Float64Array };
  /** What `stageWork` fills: metrics take turns, as a set of arrays for each would keep the collector busy. */
  works: StageWork[];
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

/** Those of a StageColumn and a StageWork. */
const columnsPerStage = 5;

export function stageColumns(rows: readonly OkRequest[]): StageColumns {
  const size = rows.length;
  const named = namedStages(rows);
  const count = rows.reduce((sum, row) => sum + row.stages.length, 0);
  const room = new Room(8 * (columnsPerStage * size * named.length + count));
  const stages = named.map(({ name, component }) => ({
    name,
    component,
    ran: new Uint8Array(size),
    positions: room.numbers(size),
    fresh: room.numbers(size),
    cached: room.numbers(size),
    bills: false,
  }));
  const position = new Map(stages.map(({ name }, index) => [name, index]));
  const entries = { stage: new Uint16Array(count), counted: room.numbers(count) };
  let entry = 0;
  for (let i = 0; i < size; i++) {
    const own = rows[i]!.stages;
    // Most requests run the stages of the one before.
    const alike = i > 0 && sameNames(own, rows[i - 1]!.stages);
    for (let k = 0; k < own.length; k++) {
      const stage = own[k]!;
      const index = alike ? entries.stage[entry - own.length]! : position.get(stage.name)!;
      const column = stages[index]!;
      const cached = stage.cached ?? 0;
      column.ran[i] = 1;
      column.bills ||= stage.billed > 0;
      column.positions[i]! += stage.tokens;
      column.fresh[i]! += Math.max(0, stage.billed - cached);
      column.cached[i]! += cached;
      entries.stage[entry] = index;
      entries.counted[entry++] = countedShare(stage);
    }
  }
  const works = stages.map(() => ({ work: room.numbers(size), uncounted: room.numbers(size) }));
  return { rows, stages, entries, works };
}

/** The stages' work in one metric; good until the next call, which fills the same arrays. */
export function stageWork({ rows, entries, works }: StageColumns, metric: WorkMetric): StageWork[] {
  for (const { work, uncounted } of works) {
    work.fill(0);
    uncounted.fill(0);
  }
  let entry = 0;
  for (let i = 0; i < rows.length; i++) {
    for (const stage of rows[i]!.stages) {
      const { work, uncounted } = works[entries.stage[entry]!]!;
      const amount = stage.work[metric] ?? Number.NaN;
      work[i]! += amount;
      uncounted[i]! += amount * (1 - entries.counted[entry++]!);
    }
  }
  return works;
}

/**
 * Which share of a stage's positions some field of `usage` counts. A stage that evaluates none (a look-up
 * in the cache) counts whole where it moves a field, and not at all where it moves none.
 */
function countedShare({ visible, tokens, billed, cached = 0 }: Stage): number {
  if (!visible) return 0;
  return tokens === 0 ? 1 : Math.min(1, Math.max(0, billed - cached) / tokens);
}

/** Every stage of any request; one that only some requests have stands after the stage it follows there. */
function namedStages(rows: readonly OkRequest[]): { name: string; component: string }[] {
  const named: { name: string; component: string }[] = [];
  const known = new Set<string>();
  let last: readonly Stage[] = [];
  for (const { stages } of rows) {
    if (sameNames(stages, last)) continue;
    last = stages;
    let previous = -1;
    for (const stage of stages) {
      const { name } = stage;
      if (known.has(name)) {
        previous = named.findIndex((other) => other.name === name);
        continue;
      }
      known.add(name);
      named.splice(++previous, 0, { name, component: componentOf(stage) });
    }
  }
  return named;
}

function sameNames(a: readonly Stage[], b: readonly Stage[]): boolean {
  if (a.length !== b.length) return false;
  for (let k = 0; k < a.length; k++) if (a[k]!.name !== b[k]!.name) return false;
  return true;
}
