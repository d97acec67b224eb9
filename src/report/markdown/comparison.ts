import type { Comparison } from '../../analysis/compare/compare.js';
import {
  ceilingRatiosTable,
  cellRatiosTable,
  configurationTable,
  meansTable,
  shapeTable,
} from '../tables/comparison.js';
import {
  type ComparedNames,
  comparisonHeadline,
  comparisonNotes,
  partWarnings,
} from '../words/comparison.js';
import { markdownTable, markdownText } from './table.js';

/** A comparison as Markdown, for a comment on a pull request. */
export function renderComparisonMarkdown(
  comparison: Comparison,
  { baseline, candidate }: ComparedNames,
): string {
  const { loud, others } = partWarnings(comparison);
  const sections = [
    `### tokenwork: ${markdownText(candidate)} against ${markdownText(baseline)}`,
    markdownText(comparisonHeadline(comparison)),
    ...loud.map((warning) => `> ${markdownText(warning)}`),
    markdownTable(configurationTable(comparison).columns) || 'Both ran with the same settings.',
    markdownTable(meansTable(comparison).columns),
    `<details><summary>By cell</summary>\n\n${markdownTable(cellRatiosTable(comparison).columns)}\n\n</details>`,
    markdownTable(ceilingRatiosTable(comparison).columns),
    markdownTable(shapeTable(comparison).columns),
    ...comparisonNotes({ ...comparison, warnings: others }).map((note) => `<sub>${markdownText(note)}</sub>`),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}
