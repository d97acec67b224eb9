import { createColors } from 'picocolors';
import type { Comparison } from '../../analysis/compare/compare.js';
import {
  ceilingRatiosTable,
  cellRatiosTable,
  configurationTable,
  meansTable,
  shapeTable,
} from '../tables/comparison.js';
import type { Table } from '../tables/table.js';
import {
  type ComparedNames,
  comparisonHeadline,
  comparisonNotes,
  partWarnings,
} from '../words/comparison.js';
import { fittingColumns, renderTable } from './table.js';
import { wrap } from './wrap.js';

/** A comparison for a terminal: settings that differ first, then the means, the cells, and the shape. */
export function renderComparison(
  comparison: Comparison,
  { baseline, candidate }: ComparedNames,
  { width, color }: { width: number; color: boolean },
): string {
  const colors = createColors(color);
  const table = ({ columns }: Table) =>
    columns[0]!.text.length === 0 ? '' : renderTable(fittingColumns(columns, width), width, colors.bold);
  const { loud, others } = partWarnings(comparison);
  const sections = [
    wrap(`${candidate} against ${baseline}`, width),
    colors.bold(wrap(comparisonHeadline(comparison), width)),
    loud.map((warning) => colors.yellow(wrap(warning, width))).join('\n'),
    table(configurationTable(comparison)) || 'Both ran with the same settings.',
    table(meansTable(comparison)),
    table(cellRatiosTable(comparison)),
    table(ceilingRatiosTable(comparison)),
    table(shapeTable(comparison)),
    colors.dim(
      comparisonNotes({ ...comparison, warnings: others })
        .map((note) => wrap(note, width))
        .join('\n'),
    ),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}
