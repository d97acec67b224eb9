import type { Warning } from '../core/codes.js';
import type { Ceilings } from '../core/result.js';
import type { PlannedCell } from '../workload/plan.js';
import { expectedTime, ratesOf } from './expected-time.js';
import { modelsOfCell, type PreparedRun } from './prepare.js';

/**
 * Time of requests over their roofline time: 23.9 s of 16.5 s for a round of the quick suite on two EPYC cores,
 * from 1.1 for long prompts to 2.4 for short ones.
 */
const overRoofline = 1.5;

/** So many of a model are kept, however slow: fewer cells have hardly anything to be compared. */
const fewestCells = 3;

/**
 * A run with as many of its cells as fit the budget of its suite, by their roofline time at the machine's
 * ceilings. Cells are left out from the end of the design, of each model alike, and none is changed, so that
 * what is measured is the beginning of the same suite everywhere. Without ceilings nothing can be foretold,
 * and nothing is left out.
 */
export function withinBudget(prepared: PreparedRun, ceilings: Ceilings | null): PreparedRun {
  const { settings, models, cells } = prepared;
  const { budget = 'none', repetitions, concurrency } = settings;
  if (budget === 'none' || ceilings === null) return prepared;
  const rates = ratesOf(ceilings);
  const costs = new Map(models.map(({ id, folder }) => [id, folder.cost]));
  const secondsOf = ({ model, request, count }: PlannedCell) =>
    (overRoofline * expectedTime(request, costs.get(model)!, rates).requestNs * repetitions * count) /
    (1e9 * concurrency);
  const keep = beginning(cells, secondsOf, budget);
  if (keep.size === cells.length) return prepared;
  const kept = cells.filter((cell) => keep.has(cell));
  const needed = new Set(kept.flatMap(modelsOfCell));
  return {
    ...prepared,
    settings: { ...settings, models: settings.models.filter(({ id }) => needed.has(id)) },
    models: models.filter(({ id }) => needed.has(id)),
    cells: kept,
    warnings: [...prepared.warnings, overBudget(cells, keep, budget)],
  };
}

/** Cells in the order of the design, all models taking turns, as long as they fit. */
function beginning(
  cells: readonly PlannedCell[],
  secondsOf: (cell: PlannedCell) => number,
  budget: number,
): Set<PlannedCell> {
  const positions = new Map<string, number>();
  const ranked = cells.map((cell) => {
    const position = positions.get(cell.model) ?? 0;
    positions.set(cell.model, position + 1);
    return { cell, position };
  });
  const keep = new Set<PlannedCell>();
  let seconds = 0;
  for (const { cell, position } of ranked.sort((a, b) => a.position - b.position)) {
    seconds += secondsOf(cell);
    if (position >= fewestCells && seconds > budget) break;
    keep.add(cell);
  }
  return keep;
}

function overBudget(cells: readonly PlannedCell[], keep: ReadonlySet<PlannedCell>, budget: number): Warning {
  const left = cells.filter((cell) => !keep.has(cell)).map(({ id }) => id);
  return {
    code: 'over-budget',
    message: `${left.length} of ${cells.length} cells were left out, as all would take this machine longer than ${budget} s: ${left.join(', ')}.`,
    hint: 'Measure all of them with --budget none, as to compare this run with one of another machine.',
  };
}
