import { createColors } from 'picocolors';
import type { Answer, Experiment } from '../analysis/experiments.js';
import type { Findings } from '../analysis/findings.js';
import type { StageEffect } from '../analysis/stage-effects.js';
import type { Misbilling } from '../analysis/stage-misbilling.js';
import type { WorkMetric } from '../core/work.js';
import { answerFigure, answerSentence, comparison, verdictWords } from './experiment-words.js';
import { dash, formatTokens } from './format.js';
import { factorName, percent } from './headline.js';
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

/** From this many characters on stages go by their component's name. */
const roomyWidth = 110;

/** More answers of one kind than this are a table. */
const mostSentences = 3;

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
  const columns = metric === null ? null : stageTableColumns(findings, metric, width >= roomyWidth);
  if (metric === null || columns === null) return '';
  const table = renderTable(fittingColumns(columns, width), width, style);
  return `${style(wrap(`What each stage costs, by ${metricName(metric)}:`, width))}\n${table}`;
}

/** The stage table, a row per stage that was weighed; `null` where none was. `roomy`: with components' names. */
export function stageTableColumns(findings: Findings, metric: WorkMetric, roomy = true): Column[] | null {
  const stages = findings.stages.flatMap((stage) => {
    const weight = stage.byMetric[metric];
    return weight === undefined || weight.shareOfWork === null ? [] : [{ ...stage, ...weight }];
  });
  if (stages.length === 0) return null;
  return columnsOf(stages, findings.hiddenWork[metric]?.misbilling ?? undefined, roomy);
}

function columnsOf(
  stages: readonly StageEffect[],
  misbilling: Misbilling | undefined,
  roomy: boolean,
): Column[] {
  const column = (
    header: Column['header'],
    importance: number,
    value: (stage: StageEffect) => string,
    align: Column['align'] = 'right',
  ): Column => ({ header, importance, align, values: stages.map(value) });
  const columns = [
    column(['stage', ''], 100, (stage) => (roomy ? stageName(stage) : stage.name), 'left'),
    column(['fixed cost', 'eff. tokens'], 90, ({ fixedEffectiveTokens }) =>
      formatTokens(fixedEffectiveTokens),
    ),
    column(['p5–p95', 'eff. tokens'], 95, ({ rangeEffectiveTokens: range }) =>
      range === null ? dash : `${formatTokens(range[0])}–${formatTokens(range[1])}`,
    ),
    column(['share', 'of work'], 80, ({ shareOfWork }) => share(shareOfWork)),
    column(['visible', 'in usage'], 97, visibilityText, 'left'),
  ];
  if (stages.some(({ ran }) => ran < 1)) columns.push(column(['runs', 'in'], 40, ({ ran }) => share(ran)));
  const onePrice = misbilling?.onePrice ?? null;
  if (misbilling !== undefined && onePrice !== null) {
    const contributions = new Map(misbilling.byStage.map(({ stage, contribution }) => [stage, contribution]));
    const column = columns[0]!;
    columns[0] = { ...column, values: [...column.values, '(one price for all tokens)'] };
    const values = stages.map(({ name }) => signed(contributions.get(name) ?? null));
    columns.push({
      header: ['adds to', 'misbilled'],
      align: 'right',
      importance: 50,
      values: [...values, signed(onePrice)],
    });
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
  const kinds = [...new Set(answers.map(({ statistic }) => statistic))];
  const parts = kinds.map((kind) => {
    const own = answers.filter(({ statistic }) => statistic === kind);
    if (own.length > mostSentences) return answerTable(experiment, own, width);
    return own.map((answer) => wrap(answerSentence(experiment, answer), width)).join('\n');
  });
  const unknown = reason === undefined ? [] : [wrap(`Not known: ${reason}.`, width)];
  return [style(wrap(text, width)), ...parts, ...unknown].join('\n');
}

function answerTable(experiment: Experiment, answers: readonly Answer[], width: number): string {
  const column = (
    name: string,
    importance: number,
    value: (answer: Answer) => string,
    align: Column['align'] = 'left',
  ): Column => ({ header: [name, ''], importance, align, values: answers.map(value) });
  const factors = [...new Set(answers.flatMap(({ by }) => Object.keys(by)))];
  const columns = [
    column(experiment.factor, 100, ({ level }) => String(level)),
    ...factors.map((factor) =>
      column(factorName(factor), 90, ({ by }) => String(by[factor] ?? dash), 'right'),
    ),
    column(comparison(experiment, answers[0]!), 99, answerFigure, 'right'),
    column('', 80, verdictWords),
  ];
  return renderTable(fittingColumns(columns, width), width, String);
}

/** `high 82%`; nothing is added to `none`. */
function visibilityText({ visibility, visibleShare }: StageEffect): string {
  if (visibility === null) return dash;
  return visibility === 'none' ? visibility : `${visibility} ${share(visibleShare)}`;
}

function share(value: number | null): string {
  return value === null ? dash : percent(value);
}

function signed(value: number | null): string {
  if (value === null) return dash;
  return Math.abs(value) < 5e-5 ? '0%' : `${value < 0 ? '−' : '+'}${percent(Math.abs(value))}`;
}
