import { fitNonNegative } from '../../stats/non-negative-fit.js';
import { studentTCritical } from '../../stats/student-t.js';

/** The cost of a stage before its first token. */
export interface FixedCost {
  value: number;
  /** 95%, by a jackknife over cells; `null` for fewer than three of them. */
  interval: [low: number, high: number] | null;
}

/** More table than this are fitted by every so many of them. */
const mostFitted = 2000;
const mostGroups = 20;
const fewestGroups = 3;

/**
 * The intercept of a line of cost on the columns of tokens that vary: relative least squares, no
 * coefficient below 0. Its error is seen by leaving out a group of cells at a time (Quenouille 1956; the
 * delete-group jackknife of Kott 2001), which knows nothing of where the deviations from a line come from.
 * `null` where no column varies, and nothing tells a fixed cost from one per token.
 */
export function fixedCost(
  tokens: readonly Float64Array[],
  cost: Float64Array,
  cell: Uint32Array,
): FixedCost | null {
  const step = Math.ceil(cost.length / mostFitted);
  const thinned = <Column extends Float64Array | Uint32Array>(column: Column) =>
    column.filter((_, i) => i % step === 0) as Column;
  const varying = tokens.map(thinned).filter((column) => column.some((value) => value !== column[0]));
  if (varying.length === 0) return null;
  const kept = thinned(cost);
  const columns = [new Float64Array(kept.length).fill(1), ...varying];
  const value = fitNonNegative(columns, kept)?.[0];
  if (value === undefined) return null;

  const groups = groupsOf(thinned(cell));
  if (groups.count < fewestGroups) return { value, interval: null };
  const without: number[] = [];
  for (let group = 0; group < groups.count; group++) {
    const others = (_: number, i: number) => groups.of[i] !== group;
    const fit = fitNonNegative(
      columns.map((column) => column.filter(others)),
      kept.filter(others),
    );
    if (fit !== null) without.push(fit[0]!);
  }
  const mean = without.reduce((sum, intercept) => sum + intercept, 0) / without.length;
  const squares = without.reduce((sum, intercept) => sum + (intercept - mean) ** 2, 0);
  const error = Math.sqrt(((without.length - 1) / without.length) * squares);
  const reach = studentTCritical(0.025, without.length - 1) * error;
  return { value, interval: [Math.max(0, value - reach), value + reach] };
}

/** Cells dealt into at most 20 groups. */
function groupsOf(cell: Uint32Array): { of: Uint32Array; count: number } {
  const seen = new Map<number, number>();
  for (const c of cell) if (!seen.has(c)) seen.set(c, seen.size % mostGroups);
  return { of: cell.map((c) => seen.get(c)!), count: Math.min(mostGroups, seen.size) };
}
