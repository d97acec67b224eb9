import { summarizeCells } from '../../../analysis/cell-summary.js';
import { cellTable, legend, shownRows } from '../../tables/cells.js';
import type { Column } from '../../tables/table.js';
import { formatCount } from '../../words/format.js';
import { html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';

/** More cells than this are shown by their cheapest and dearest only. */
const limits = { mostRows: 200, rowsPerEnd: 50 };

/** The medians of each cell, as the terminal shows them. */
export function cellsSection({ result }: PageContext): Section | null {
  const all = summarizeCells(result);
  const run = all.filter(({ succeeded, failed }) => succeeded + failed > 0);
  if (run.length === 0) return null;
  const { rows, note } = shownRows(run, limits);
  const { title, columns } = cellTable(rows);
  const notes = [
    ...note,
    ...(run.length < all.length ? [`${formatCount(all.length - run.length, 'more cell')} had no turn.`] : []),
    legend(columns),
  ];
  return {
    name: 'cells',
    short: 'Cells',
    title: 'Every cell of the workload',
    lead: 'A cell is a point of the workload’s design; its repetitions differ by noise alone.',
    body: html`${htmlTable(keyFirst(columns), title)}<p class="note">${notes.join(' ')}</p>`,
  };
}

/** The cost of a token beside the cell's name: the columns behind it may lie beyond the edge. */
function keyFirst([cell, ...rest]: readonly Column[]): Column[] {
  const isKey = ({ header: [name] }: Column) => name.endsWith('/token');
  return [cell!, ...rest.filter(isKey), ...rest.filter((column) => !isKey(column))];
}
