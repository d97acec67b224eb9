import { readColumns, type ShownColumn } from '../tables/table.js';
import { type Html, html } from './html.js';
import { explainedHeading } from './words.js';

/** More rows than this are cut in the middle: a page is no data file. */
const mostRows = 200;

/** Columns as a table that scrolls by itself where it is too wide; `label` names it for those who
 * cannot see it, and `prose` lets its text wrap. */
export function htmlTable(all: readonly ShownColumn[], label: string, { prose = false } = {}): Html {
  const columns = readColumns(all);
  const rows = columns[0]?.text.length ?? 0;
  const shown = [...Array(rows).keys()].filter(
    (row) => rows <= mostRows || row < mostRows / 2 || row >= rows - mostRows / 2,
  );
  const cut =
    rows > mostRows &&
    html`<p class="note">The first and last ${mostRows / 2} of ${rows} rows; the result file holds them all.</p>`;
  return html`<div class="scroll${rows > 30 && ' long'}${columns.length > 10 && ' wide'}" role="region" tabindex="0" aria-label="${label}"><table${prose && html` class="prose"`}>
<thead><tr>${columns.map(headerCell)}</tr></thead>
<tbody>${shown.map((row) => html`<tr>${columns.map((column, index) => bodyCell(column, row, index === 0))}</tr>\n`)}</tbody>
</table></div>${cut}`;
}

function headerCell({ header: [name, unit], align }: ShownColumn): Html {
  return html`<th scope="col" class="${align}">${explainedHeading(name)}${unit !== '' && html` <span class="unit">${unit}</span>`}</th>`;
}

function bodyCell({ text, align }: ShownColumn, row: number, isHead: boolean): Html {
  const value = text[row] ?? '';
  return isHead
    ? html`<th scope="row" class="${align}">${value}</th>`
    : html`<td class="${align}">${value}</td>`;
}
