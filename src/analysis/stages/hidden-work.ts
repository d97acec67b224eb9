import { addColumns } from '../../stats/sum.js';
import { ratioOfSums, type Share } from '../questions/ratio-of-sums.js';
import type { RequestTable } from '../requests/request-table.js';
import type { Design } from '../statistic.js';
import { pickNumbers } from '../uniformity/cell-totals.js';
import type { StageWork } from './columns.js';

/** The share of the stages' work that no field of `usage` shows. */
export interface HiddenWork extends Share {
  /** By what cells call their pipeline; absent where they name none. */
  byPipeline?: (Share & { pipeline: string })[];
  /** `null` for more cells than a reader or a page can take. */
  byCell: (Share & { cell: string })[] | null;
}

const cellsListed = 1000;

/**
 * Hidden work: all the work of stages that bill no token, and of the others what they did on positions that
 * are not billed (rejected drafts, retrieved context, rows of a batch computed along). As a share of the
 * work of all stages. `exact`: repetitions of the metric do not differ.
 */
export function hiddenWorkOf(
  { cells, cell, round }: RequestTable,
  works: readonly StageWork[],
  { design, exact }: { design: Design; exact: boolean },
): HiddenWork {
  const hidden = addColumns(works.map(({ uncounted }) => uncounted));
  const whole = addColumns(works.map(({ work }) => work));
  const among = (rows: readonly number[], how: Design, own = Uint32Array.from(rows, (i) => cell[i]!)) =>
    ratioOfSums(pickNumbers(hidden, rows), pickNumbers(whole, rows), own, {
      design: how,
      exact,
      round: Uint32Array.from(rows, (i) => round[i]!),
    });
  const pipelines = requestsBy(
    cell,
    cells.map(({ factors }) => factors.pipeline),
  );
  return {
    ...ratioOfSums(hidden, whole, cell, { design, exact, round }),
    ...(pipelines.size > 0 && {
      byPipeline: [...pipelines].map(([pipeline, rows]) => ({
        pipeline: String(pipeline),
        ...among(rows, design),
      })),
    }),
    byCell:
      cells.length > cellsListed
        ? null
        : [
            ...requestsBy(
              cell,
              cells.map(({ id }) => id),
            ),
          ].map(([id, rows]) => ({
            cell: id,
            ...among(rows, 'fixed', new Uint32Array(rows.length)),
          })),
  };
}

/** The requests under each key of their cells; those of cells without one are left out. */
function requestsBy<Key>(cell: Uint32Array, keys: readonly (Key | undefined)[]): Map<Key, number[]> {
  const groups = new Map<Key, number[]>();
  if (keys.every((key) => key === undefined)) return groups;
  for (const [i, c] of cell.entries()) {
    const key = keys[c];
    if (key === undefined) continue;
    const rows = groups.get(key);
    if (rows === undefined) groups.set(key, [i]);
    else rows.push(i);
  }
  return groups;
}
