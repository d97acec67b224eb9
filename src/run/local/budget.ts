import type { Warning } from '../../core/codes.js';
import type { Ceilings } from '../../core/result.js';
import type { Nanoseconds } from '../../core/units.js';
import { cellsForMemory } from '../../journal/state.js';
import { sum } from '../../stats/sum.js';
import type { PlannedCell } from '../../workload/plan.js';
import { expectedTime, ratesOf } from './expected-time.js';
import { modelsOfCell, type PreparedRun } from './prepare.js';
import { warmUpCells } from './warm-up.js';

/**
 * Time of requests over their roofline time: 5.8 s of 3.1 s for a round of the quick suite on two EPYC cores, from
 * 1.4 for long prompts to 2.6 for short ones.
 */
const overRoofline = 1.85;

/** So many of a model are kept, however slow: fewer cells have hardly anything to be compared. */
const fewestCells = 3;

/**
 * A run with as many of its cells as fit the budget of its suite, which is of the whole run but for building its
 * models: warming up, measuring, once more for peak memory, by roofline times at the machine's ceilings; and twice
 * the seconds that these took, as they are measured again at the end and workers open models meanwhile. Cells are
 * left out from the end of the design, of each model alike, and none is changed, so that what is measured is the
 * beginning of the same suite everywhere. Without ceilings nothing can be foretold, and nothing is left out.
 */
export function withinBudget(
  prepared: PreparedRun,
  ceilings: Ceilings | null,
  ceilingSeconds: number,
): PreparedRun {
  const { settings, models, cells } = prepared;
  const { budget = 'none', repetitions, concurrency, warmup } = settings;
  if (budget === 'none' || ceilings === null) return prepared;
  const rates = ratesOf(ceilings);
  const costs = new Map(models.map(({ id, folder }) => [id, folder.cost]));
  const expected = new Map(
    cells.map((cell) => [
      cell,
      overRoofline * expectedTime(cell.request, costs.get(cell.model)!, rates).requestNs,
    ]),
  );
  const expectedNs = (cell: PlannedCell) => expected.get(cell)!;
  const secondsOf = (kept: readonly PlannedCell[]) => {
    const measuredNs = total(kept, (cell) => expectedNs(cell) * repetitions * cell.count) / concurrency;
    const warmUpNs = warmup * total(warmUpCells(kept, expectedNs), expectedNs);
    const memoryNs = total(cellsForMemory(kept, settings, new Map()), expectedNs);
    return (warmUpNs + measuredNs + memoryNs) / 1e9;
  };
  const keep = beginning(cells, secondsOf, budget - 2 * ceilingSeconds);
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
  secondsOf: (kept: readonly PlannedCell[]) => number,
  seconds: number,
): Set<PlannedCell> {
  const positions = new Map<string, number>();
  const ranked = cells.map((cell) => {
    const position = positions.get(cell.model) ?? 0;
    positions.set(cell.model, position + 1);
    return { cell, position };
  });
  const keep: PlannedCell[] = [];
  for (const { cell, position } of ranked.sort((a, b) => a.position - b.position)) {
    if (position >= fewestCells && secondsOf([...keep, cell]) > seconds) break;
    keep.push(cell);
  }
  return new Set(keep);
}

function total(cells: readonly PlannedCell[], of: (cell: PlannedCell) => Nanoseconds): Nanoseconds {
  return sum(Float64Array.from(cells, of));
}

function overBudget(cells: readonly PlannedCell[], keep: ReadonlySet<PlannedCell>, budget: number): Warning {
  const left = cells.filter((cell) => !keep.has(cell)).map(({ id }) => id);
  return {
    code: 'over-budget',
    message: `${left.length} of ${cells.length} cells were left out, as all would take this machine longer than ${budget} s: ${left.join(', ')}.`,
    hint: 'Measure all of them with --budget none, as to compare this run with one of another machine.',
  };
}
