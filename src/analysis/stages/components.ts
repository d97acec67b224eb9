import { addColumns } from '../../stats/sum.js';
import type { StageColumn, StageWork } from './columns.js';
import { inOrder } from './component-names.js';

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

/** A component's work in one metric; `NaN` for a request in which a stage of it was not measured. */
export function componentWork({ stages }: Component, works: readonly StageWork[]): StageWork {
  const own = stages.map((s) => works[s]!);
  return {
    work: addColumns(own.map(({ work }) => work)),
    uncounted: addColumns(own.map(({ uncounted }) => uncounted)),
  };
}
