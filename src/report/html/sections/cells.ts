import { summarizeCells } from '../../../analysis/cell-summary.js';
import { cellColumns, columnMeanings } from '../../cell-table.js';
import { html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';

/** The medians of each cell, as the terminal shows them. */
export function cellsSection({ result }: PageContext): Section | null {
  const summaries = summarizeCells(result);
  if (summaries.length === 0) return null;
  return {
    name: 'cells',
    short: 'Cells',
    title: 'Every cell of the workload',
    lead: 'A cell is a point of the workload’s design; its repetitions differ by noise alone. Medians over them.',
    body: html`${htmlTable(cellColumns(summaries), 'Medians of every cell')}
<p class="note">${Object.values(columnMeanings).join('; ')}.</p>`,
  };
}
