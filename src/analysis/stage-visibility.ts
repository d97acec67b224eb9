import { fitNonNegative } from '../stats/non-negative-fit.js';
import type { StageColumn, StageWork } from './stage-columns.js';

/** Whether a bill shows a stage's work: `high` from 3/4 of it, `medium` from 1/4, `low` from 1/20. */
export type Visibility = 'high' | 'medium' | 'low' | 'none';

export function visibilityOf(share: number): Visibility {
  if (share >= 0.75) return 'high';
  if (share >= 0.25) return 'medium';
  return share >= 0.05 ? 'low' : 'none';
}

/** More requests than this are fitted by every so many of them. */
const mostFitted = 4000;

/**
 * The share of a stage's work that moves a field of `usage`: Σ min(w, m) / Σ w over the requests in which
 * it ran, where w is its work and m what the fields that it moves say it to be. A field is moved by work
 * that is on counted positions and that grows with their count, and so m is the lesser of
 *
 *  - w × counted ÷ evaluated positions, since a rejected draft or a retrieved context is in no field, and
 *  - b · fresh + c · cached, with b and c from the fit w ≈ a + b · fresh + c · cached, none below 0, over
 *    the requests of one model, by least relative squares: what a stage costs regardless (a), and what
 *    varies beside the count, moves nothing.
 *
 * `fresh` and `cached` are the billed tokens that the stage itself adds to `usage`. Where they do not vary,
 * as in a single request, nothing tells a from b and only the first bound holds. 0 for a stage that bills
 * nothing; `null` where it did no work that was measured.
 */
export function visibleShare(
  column: StageColumn,
  { work, uncounted }: StageWork,
  modelOf: (request: number) => number,
): number | null {
  const byModel = new Map<number, number[]>();
  for (let i = 0; i < work.length; i++) {
    if (column.ran[i] === 0 || Number.isNaN(work[i]!)) continue;
    const model = modelOf(i);
    const group = byModel.get(model);
    if (group === undefined) byModel.set(model, [i]);
    else group.push(i);
  }
  let [moved, total] = [0, 0];
  for (const group of byModel.values()) {
    const bound = movedByCount(column, work, group);
    for (const i of group) {
      total += work[i]!;
      moved += Math.min(work[i]! - uncounted[i]!, bound(i));
    }
  }
  return total > 0 ? moved / total : null;
}

function movedByCount(
  { fresh, cached }: StageColumn,
  work: Float64Array,
  group: readonly number[],
): (request: number) => number {
  const step = Math.ceil(group.length / mostFitted);
  const fitted = group.filter((_, k) => k % step === 0);
  const pick = (values: Float64Array) => Float64Array.from(fitted, (i) => values[i]!);
  const columns = [pick(fresh), pick(cached)];
  if (columns.every((values) => values.every((value) => value === values[0]))) {
    return () => Number.POSITIVE_INFINITY;
  }
  const fit = fitNonNegative([new Float64Array(fitted.length).fill(1), ...columns], pick(work));
  if (fit === null) return () => Number.POSITIVE_INFINITY;
  const [, perFresh, perCached] = fit;
  return (i) => perFresh! * fresh[i]! + perCached! * cached[i]!;
}
