import { createColors } from 'picocolors';
import type { PromptTrace } from '../../analysis/stages/prompt-trace.js';
import type { Result } from '../../core/result.js';
import { type PromptRow, promptsTable, tracedStagesTable } from '../tables/prompts.js';
import { claimTable, effectiveTokens } from '../tables/stages.js';
import type { Table } from '../tables/table.js';
import { formatCount, formatTokens } from '../words/format.js';
import { metricName } from '../words/names.js';
import { plainTokenSentence, promptLines, worthRange } from '../words/prompt-trace.js';
import { fittingColumns, renderTable } from './table.js';
import { renderWaterfall } from './waterfall.js';
import { wrap } from './wrap.js';

interface Screen {
  width: number;
  color: boolean;
}

/** A traced prompt for a terminal: four lines, its waterfall and the plain token; all tables where `full`. */
export function renderPromptTrace(
  trace: PromptTrace,
  {
    result,
    name,
    model,
    isPublishedExample,
    full,
    ...screen
  }: Screen & {
    result: Pick<Result, 'metrics' | 'warnings'>;
    name: string;
    /** The model as it ran, in words. */
    model: string;
    /** Whether it is what the published claim speaks of. */
    isPublishedExample: boolean;
    full: boolean;
  },
): string {
  const { width } = screen;
  const metric = metricName(trace.metric);
  const repeated = trace.repetitions === 1 ? 'measured once' : `the mean of ${trace.repetitions} repetitions`;
  const paragraphs = [
    promptLines(trace, result)
      .map((line) => wrap(line, width))
      .join('\n'),
    renderWaterfall(trace.waterfall, { ...screen, name }),
    wrap(
      `${plainTokenSentence(trace, model)} Effective tokens are ${metric} in plain tokens, ${repeated}: in all ${effectiveTokens(trace.effective)}.`,
      width,
    ),
    ...(isPublishedExample ? [wrap(claimSentence(trace, full), width)] : []),
    ...(full ? [tableText(tracedStagesTable(trace), screen)] : []),
    ...(full && isPublishedExample ? [tableText(claimTable(trace.claim, metric), screen)] : []),
    ...warningsOf(result, screen),
  ];
  return paragraphs.join('\n\n');
}

/** Several traced prompts for a terminal: a row each, and the reasons of those that failed. */
export function renderPromptTable(
  rows: readonly (PromptRow & { reason: string | null })[],
  {
    result,
    model,
    pipeline,
    ...screen
  }: Screen & { result: Pick<Result, 'warnings'>; model: string; pipeline: string },
): string {
  const { width } = screen;
  const traces = rows.flatMap(({ trace }) => trace ?? []);
  const { metric } = traces[0]!;
  return [
    wrap(
      `${formatCount(rows.length, 'prompt')} through ${pipeline}: a billed token is worth ${worthRange(traces)} effective tokens, by ${metricName(metric)}.`,
      width,
    ),
    tableText(promptsTable(rows, metric), screen),
    ...rows.flatMap(({ name, reason }) =>
      reason === null ? [] : [wrap(`${name} failed: ${reason}`, width)],
    ),
    wrap(plainTokenSentence(traces[0]!, model), width),
    // Those that failed are told above.
    ...warningsOf({ warnings: result.warnings.filter(({ code }) => code !== 'requests-failed') }, screen),
  ].join('\n\n');
}

function claimSentence({ effective, claim }: PromptTrace, full: boolean): string {
  const hidden = claim
    .filter(({ part }) => !['question and answer', 'all'].includes(part))
    .reduce((sum, part) => sum + part.effective.value, 0);
  const parts = full
    ? ' How many positions a part has is what the pipeline was told to do, input and no evidence; what they cost is measured.'
    : ' Part by part: --full.';
  return `The claim to test: "Hello", 1 token in and 2 out, carries about 89 tokens of computation, 85 of them on no bill. It is often repeated; we know of no source. Here it is ${effectiveTokens(effective)}, ${formatTokens(hidden)} of them beside question and answer.${parts}`;
}

function tableText({ columns }: Table, { width, color }: Screen): string {
  return renderTable(fittingColumns(columns, width), width, createColors(color).bold);
}

function warningsOf({ warnings }: Pick<Result, 'warnings'>, { width, color }: Screen): string[] {
  const { yellow } = createColors(color);
  return warnings.map(({ message, hint }) => yellow(wrap(`Warning: ${message} ${hint}`, width)));
}
