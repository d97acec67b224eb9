import type { Stage, StageType } from '../../core/result.js';
import type { Room } from '../../stats/room.js';
import { addColumns } from '../../stats/sum.js';
import type { StageColumn, StageWork } from './columns.js';

/** What the public debate calls the parts of answering a request, in the order of its table. */
const components: Record<StageType, string> = {
  tokenization: 'Input tokenization',
  prefill: 'Base forward pass (prefill)',
  safety: 'Safety/alignment passes',
  retrieval: 'Context retrieval',
  reasoning: 'Internal reasoning',
  decode: 'Output generation (decode)',
  speculation: 'Draft and verify',
  cache: 'Cache management',
  detokenization: 'Output detokenization',
};
const inOrder = Object.entries(components);

/** The component a stage belongs to: by its type, or its name where that is one; else the name itself. */
export function componentOf({ type, name }: Pick<Stage, 'type' | 'name'>): string {
  return components[type ?? (name as StageType)] ?? name;
}

/** Stages of one component, taken together. */
export interface Component {
  column: StageColumn;
  /** Which stages it consists of. */
  stages: readonly number[];
}

/** The components that the stages belong to, in the order of the table; those of no known type last. */
export function componentsOf(stages: readonly StageColumn[]): Component[] {
  const named = [...new Set(stages.map(({ component }) => component))];
  const rank = (name: string) => {
    const index = inOrder.findIndex(([, component]) => component === name);
    return index < 0 ? inOrder.length : index;
  };
  return named
    .sort((a, b) => rank(a) - rank(b))
    .map((component) => {
      const own = [...stages.keys()].filter((s) => stages[s]!.component === component);
      const name = inOrder[rank(component)]?.[0] ?? component;
      const columns = own.map((s) => stages[s]!);
      return { stages: own, column: own.length === 1 ? { ...columns[0]!, name } : merged(name, columns) };
    });
}

function merged(name: string, columns: readonly StageColumn[]): StageColumn {
  const { component, ran } = columns[0]!;
  return {
    name,
    component,
    ran: ran.map((_, i) => (columns.some((column) => column.ran[i] === 1) ? 1 : 0)),
    positions: addColumns(columns.map(({ positions }) => positions)),
    fresh: addColumns(columns.map(({ fresh }) => fresh)),
    cached: addColumns(columns.map(({ cached }) => cached)),
    bills: columns.some(({ bills }) => bills),
  };
}

/** A component's work in one metric, in `room`; `NaN` for a request in which a stage of it was not measured. */
export function componentWork({ stages }: Component, works: readonly StageWork[], room: Room): StageWork {
  const own = stages.map((s) => works[s]!);
  return {
    work: addColumns(
      own.map(({ work }) => work),
      room.numbers(own[0]!.work.length),
    ),
    uncounted: addColumns(
      own.map(({ uncounted }) => uncounted),
      room.numbers(own[0]!.work.length),
    ),
  };
}
