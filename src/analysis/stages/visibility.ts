import { fitNonNegative } from '../../stats/regression/non-negative-fit.js';
import type { StageColumn, StageWork } from './columns.js';

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
  models: { count: number; of(request: number): number },
): number | null {
  const { ran, fresh, cached, bills } = column;
  let [moved, total] = [0, 0];
  for (let model = 0; model < models.count; model++) {
    const own = (i: number) =>
      ran[i] === 1 && !Number.isNaN(work[i]!) && (models.count === 1 || models.of(i) === model);
    const bound = bills ? movedByCount(column, work, own) : null;
    for (let i = 0; i < work.length; i++) {
      if (!own(i)) continue;
      const spent = work[i]!;
      total += spent;
      const counted = spent - uncounted[i]!;
      moved +=
        bound === null
          ? counted
          : Math.min(counted, bound.perFresh * fresh[i]! + bound.perCached * cached[i]!);
    }
  }
  return total > 0 ? moved / total : null;
}

/** The work that a fresh and a cached token move; `null` where nothing tells it from what is fixed. */
function movedByCount(
  { fresh, cached }: StageColumn,
  work: Float64Array,
  own: (request: number) => boolean,
): { perFresh: number; perCached: number } | null {
  let count = 0;
  for (let i = 0; i < work.length; i++) if (own(i)) count++;
  const step = Math.ceil(count / mostFitted);
  const fitted: number[] = [];
  for (let i = 0, k = 0; i < work.length; i++) if (own(i) && k++ % step === 0) fitted.push(i);
  const pick = (values: Float64Array) => Float64Array.from(fitted, (i) => values[i]!);
  const columns = [pick(fresh), pick(cached)];
  if (columns.every((values) => values.every((value) => value === values[0]))) return null;
  const fit = fitNonNegative([new Float64Array(fitted.length).fill(1), ...columns], pick(work));
  return fit && { perFresh: fit[1]!, perCached: fit[2]! };
}
