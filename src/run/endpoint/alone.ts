import { evenly } from '../../journal/state.js';
import type { PlannedCell } from '../../workload/plan.js';

/** So many cells, evenly spaced, stand for all; each is sent so often, and so many pairs of them. */
const mostCells = 20;
export const runsPerCell = 3;
const mostPairs = 10;

/** The cells whose requests are sent alone. */
export const cellsAlone = (cells: readonly PlannedCell[]): readonly PlannedCell[] => evenly(cells, mostCells);

/** The requests that holding shares against requests alone sends beside all others, each by its cell. */
export function sentAlone(cells: readonly PlannedCell[]): PlannedCell[] {
  const chosen = cellsAlone(cells);
  return [...Array.from({ length: runsPerCell }, () => chosen).flat(), ...pairsOf(chosen).flat()];
}

/** Pairs of neighbouring cells of one server. */
export function pairsOf(cells: readonly PlannedCell[]): readonly PlannedCell[][] {
  const pairs = cells.flatMap((one, index) => {
    const other = cells.find((cell, at) => at > index && cell.model === one.model);
    return other ? [[one, other]] : [];
  });
  return evenly(pairs, mostPairs);
}
