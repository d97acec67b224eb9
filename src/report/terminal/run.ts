/**
 * report/ puts findings into words and tables. It returns text and prints nothing; what belongs to a
 * person's terminal (width, colour) comes in as an argument.
 */
import { createColors } from 'picocolors';
import { type CellSummary, summarizeCells } from '../../analysis/cell-summary.js';
import { kneesOf } from '../../analysis/knee.js';
import type { Result } from '../../core/result.js';
import { cellTable, legend, shownRows } from '../tables/cells.js';
import { sweepTable } from '../tables/sweep.js';
import { kneeSentence } from '../words/knee.js';
import { recordingNotice } from '../words/recording.js';
import { describeFailures, describeIncomplete, findings } from '../words/run-findings.js';
import { conservation, setting, unmeasured } from '../words/setting.js';
import { samplingNotes } from './sampling.js';
import { renderInBlocks } from './table.js';
import { wrap } from './wrap.js';

export interface RunReportOptions {
  /** Characters per line; lines are wrapped and columns left out to keep to it. */
  width: number;
  color: boolean;
  /** Path of the result file; left out where it was not saved. */
  savedAt?: string | undefined;
}

/** The text at the end of a run: setting, table, findings, what went wrong, where it is kept. */
export function renderRun(result: Result, { width, color, savedAt }: RunReportOptions): string {
  const colors = createColors(color);
  const summaries = summarizeCells(result);
  const paragraphs = (lines: readonly string[], style: (text: string) => string = String) =>
    lines.map((line) => style(wrap(line, width))).join('\n');
  const warnings = result.warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`);
  const notice = recordingNotice(result);
  const knees = kneesOf(result);
  const { table, notes } = cells(summaries, width, colors.bold);
  const sections = [
    paragraphs(setting(result), colors.dim),
    paragraphs(notice === null ? [] : [notice], colors.yellow),
    ...(summaries.length === 0 ? ['No cell was planned.'] : [table, paragraphs(notes, colors.dim)]),
    ...(knees.length === 0 ? [] : [renderInBlocks(sweepTable(knees).columns, width, colors.bold)]),
    paragraphs([...findings(result, summaries), ...knees.map(kneeSentence)], colors.bold),
    paragraphs([...conservation(result), ...samplingNotes(result), ...unmeasured(result)], colors.dim),
    paragraphs([...describeIncomplete(result), ...describeFailures(result)], colors.red),
    paragraphs(warnings, colors.yellow),
    ...(savedAt === undefined ? [] : [`Result: ${savedAt}`]),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** More cells than this are shown by their cheapest and dearest only. */
const limits = { mostRows: 40, rowsPerEnd: 8 };

/** The table of cells, with which rows there was no room for. */
function cells(summaries: readonly CellSummary[], width: number, style: (text: string) => string) {
  const { rows, note } = shownRows(summaries, limits);
  const { columns } = cellTable(rows);
  return { table: renderInBlocks(columns, width, style), notes: [...note, legend(columns)] };
}
