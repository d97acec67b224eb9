import { createColors } from 'picocolors';
import type { Experiment } from '../analysis/experiments.js';
import type { Findings } from '../analysis/findings.js';
import type { StageEffect } from '../analysis/stage-effects.js';
import { answerSentence } from './experiment-words.js';
import { dash, formatNumber } from './format.js';
import { percent } from './headline.js';
import { cellName, metricName } from './metric-name.js';
import {
  farthestWaterfall,
  hiddenWorkSentences,
  ledgerSentences,
  stageMetric,
  stageName,
} from './stage-words.js';
import { type Column, fittingColumns, renderTable } from './terminal-table.js';
import { renderWaterfall } from './waterfall-text.js';
import { wrap } from './wrap.js';

/**
 * What a run's stages say, for a terminal: the work that no bill shows, the stage table, the waterfall of
 * the requests farthest from their bill, the suite's questions with their answers, and whether the ledger
 * balances. Nothing for a result without stages.
 */
export function renderStages(
  findings: Findings,
  { width, color }: { width: number; color: boolean },
): string[] {
  const colors = createColors(color);
  const lines = (texts: readonly string[]) => texts.map((text) => wrap(text, width)).join('\n');
  const { balanced, violated } = ledgerSentences(findings);
  return [
    colors.bold(lines(hiddenWorkSentences(findings))),
    stageTable(findings, width, colors.bold),
    waterfall(findings, { width, color }),
    ...findings.experiments.map((experiment) => experimentText(experiment, width, colors.bold)),
    colors.dim(lines(balanced)),
    colors.yellow(lines(violated)),
  ].filter((section) => section !== '');
}

function stageTable(findings: Findings, width: number, style: (text: string) => string): string {
  const metric = stageMetric(findings);
  if (metric === null) return '';
  const stages = findings.stages.filter(({ shareOfWork }) => shareOfWork !== null);
  const misbilling = findings.hiddenWork[metric]?.misbilling ?? [];
  const contributions = new Map(misbilling.map(({ stage, contribution }) => [stage, contribution]));
  const table = renderTable(fittingColumns(columnsOf(stages, contributions), width), width, style);
  return `${style(wrap(`What each stage costs, by ${metricName(metric)}:`, width))}\n${table}`;
}

function columnsOf(
  stages: readonly StageEffect[],
  contributions: ReadonlyMap<string, number | null>,
): Column[] {
  const column = (
    header: Column['header'],
    importance: number,
    value: (stage: StageEffect) => string,
    align: Column['align'] = 'right',
  ): Column => ({ header, importance, align, values: stages.map(value) });
  const columns = [
    column(['stage', ''], 100, stageName, 'left'),
    column(['fixed cost', 'eff. tokens'], 90, ({ fixedEffectiveTokens }) => tokens(fixedEffectiveTokens)),
    column(['p5–p95', 'eff. tokens'], 95, ({ rangeEffectiveTokens: range }) =>
      range === null ? dash : `${tokens(range[0])}–${tokens(range[1])}`,
    ),
    column(['share', 'of work'], 80, ({ shareOfWork }) => share(shareOfWork)),
    column(['visible', 'in usage'], 97, ({ visibility }) => visibility ?? dash, 'left'),
    column(['by', 'share'], 30, ({ visibleShare }) => share(visibleShare)),
  ];
  if (stages.some(({ ran }) => ran < 1)) columns.push(column(['runs', 'in'], 40, ({ ran }) => share(ran)));
  if ([...contributions.values()].some((part) => part !== null)) {
    columns.push(column(['adds to', 'misbilled'], 50, ({ name }) => signed(contributions.get(name) ?? null)));
  }
  return columns;
}

/** Only where there is hidden work to be seen. */
function waterfall(findings: Findings, options: { width: number; color: boolean }): string {
  const metric = stageMetric(findings);
  const farthest = farthestWaterfall(findings);
  if (metric === null || farthest === null || !((findings.hiddenWork[metric]?.value ?? 0) >= 0.01)) return '';
  return renderWaterfall(farthest, { ...options, name: cellName(farthest.of, findings.workload.models) });
}

function experimentText(experiment: Experiment, width: number, style: (text: string) => string): string {
  const { text, answers, reason } = experiment;
  const sentences =
    reason === undefined
      ? answers.map((answer) => answerSentence(experiment, answer))
      : [`Not known: ${reason}.`];
  return [style(wrap(text, width)), ...sentences.map((sentence) => wrap(`  ${sentence}`, width))].join('\n');
}

/** To three digits, and nothing below a hundredth of a token. */
function tokens(value: number | null): string {
  return formatNumber(value === null ? null : Math.round(value * 100) / 100);
}

function share(value: number | null): string {
  return value === null ? dash : percent(value);
}

function signed(value: number | null): string {
  if (value === null) return dash;
  return Math.abs(value) < 5e-5 ? '0%' : `${value < 0 ? '−' : '+'}${percent(Math.abs(value))}`;
}
