import { createColors } from 'picocolors';
import type { Comparison } from '../../analysis/compare/compare.js';
import { markdownTable, markdownText } from '../markdown/table.js';
import { comparisonTables } from '../tables/comparison.js';
import { comparisonHeadline } from '../words/comparison.js';
import { type Column, fittingColumns, renderTable } from './table.js';
import { wrap } from './wrap.js';

export interface ComparedNames {
  baseline: string;
  candidate: string;
}

/** A comparison for a terminal: settings that differ first, then the means, the cells, and the shape. */
export function renderComparison(
  comparison: Comparison,
  { baseline, candidate }: ComparedNames,
  { width, color }: { width: number; color: boolean },
): string {
  const colors = createColors(color);
  const { configuration, geomean, cells, ceilings, shape, notes } = comparisonTables(comparison);
  const table = (columns: Column[]) =>
    columns[0]!.values.length === 0 ? '' : renderTable(fittingColumns(columns, width), width, colors.bold);
  const sections = [
    wrap(`${candidate} against ${baseline}`, width),
    colors.bold(wrap(comparisonHeadline(comparison), width)),
    table(configuration) || 'Both ran with the same settings.',
    table(geomean),
    table(cells),
    table(ceilings),
    table(shape),
    colors.dim(notes.map((note) => wrap(note, width)).join('\n')),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** The same as Markdown, for a comment on a pull request. */
export function renderComparisonMarkdown(
  comparison: Comparison,
  { baseline, candidate }: ComparedNames,
): string {
  const { configuration, geomean, cells, ceilings, shape, notes } = comparisonTables(comparison);
  const sections = [
    `### tokenwork: ${markdownText(candidate)} against ${markdownText(baseline)}`,
    markdownText(comparisonHeadline(comparison)),
    markdownTable(configuration) || 'Both ran with the same settings.',
    markdownTable(geomean),
    `<details><summary>By cell</summary>\n\n${markdownTable(cells)}\n\n</details>`,
    markdownTable(ceilings),
    markdownTable(shape),
    ...notes.map((note) => `<sub>${markdownText(note)}</sub>`),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}
