import { createColors } from 'picocolors';
import type { Findings } from '../../analysis/findings.js';
import type { Answer, Experiment } from '../../analysis/questions/answers.js';
import type { StageEffect } from '../../analysis/stages/effects.js';
import type { WorkMetric } from '../../core/metrics.js';
import { answerFigure, answerSentence, comparison, verdictWords } from '../words/answers.js';
import { dash, formatTokens } from '../words/format.js';
import { factorName, percent } from '../words/headline.js';
import { cellName, metricName } from '../words/metric-name.js';
import {
  farthestWaterfall,
  hiddenWorkSentences,
  ledgerSentences,
  stageMetric,
  stageName,
} from '../words/stages.js';
import { type Column, fittingColumns, renderTable } from './table.js';
import { renderWaterfall } from './waterfall.js';
import { wrap } from './wrap.js';

/** From this many characters on components go by their full names. */
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
  const columns = metric === null ? null : componentTableColumns(findings, metric, width >= roomyWidth);
  if (metric === null || columns === null) return '';
  const table = renderTable(fittingColumns(columns, width), width, style);
  return `${style(wrap(`What each part of answering costs, by ${metricName(metric)}:`, width))}\n${table}`;
}

/**
 * The stage table, a row per component that was weighed; `null` where none was. `roomy`: with the names
 * that the public debate has for them.
 */
export function componentTableColumns(findings: Findings, metric: WorkMetric, roomy = true): Column[] | null {
  const byStage = findings.hiddenWork[metric]?.misbilling?.byStage ?? [];
  const contribution = ({ component }: StageEffect) => {
    const own = new Set(
      findings.stages.filter((stage) => stage.component === component).map(({ name }) => name),
    );
    return byStage
      .filter(({ stage }) => own.has(stage))
      .reduce<number | null>(
        (sum, one) => (one.contribution === null ? sum : (sum ?? 0) + one.contribution),
        null,
      );
  };
  const nameOf = ({ name, component }: StageEffect) => (roomy ? component : name);
  return tableColumns('component', findings.components, { findings, metric, nameOf, contribution });
}

/** What components of several stages consist of, a row per stage; `null` where each is but one. */
export function stageTableColumns(findings: Findings, metric: WorkMetric): Column[] | null {
  if (findings.stages.length === findings.components.length) return null;
  const byStage = findings.hiddenWork[metric]?.misbilling?.byStage ?? [];
  const contributions = new Map(byStage.map(({ stage, contribution }) => [stage, contribution]));
  const contribution = ({ name }: StageEffect) => contributions.get(name) ?? null;
  return tableColumns('stage', findings.stages, { findings, metric, nameOf: stageName, contribution });
}

interface Weighing {
  findings: Findings;
  metric: WorkMetric;
  nameOf(row: StageEffect): string;
  /** To the misbilled share. */
  contribution(row: StageEffect): number | null;
}

function tableColumns(
  what: string,
  effects: readonly StageEffect[],
  { findings, metric, nameOf, contribution }: Weighing,
): Column[] | null {
  const rows = effects.flatMap((effect) => {
    const weight = effect.byMetric[metric];
    return weight === undefined || weight.shareOfWork === null ? [] : [{ ...effect, ...weight }];
  });
  if (rows.length === 0) return null;
  const column = (
    header: Column['header'],
    importance: number,
    value: (row: StageEffect) => string,
    align: Column['align'] = 'right',
  ): Column => ({ header, importance, align, values: rows.map(value) });
  const columns = [
    column([what, ''], 100, nameOf, 'left'),
    column(['fixed cost', 'eff. tokens'], 90, ({ fixedEffectiveTokens }) =>
      formatTokens(fixedEffectiveTokens),
    ),
    column(['p5–p95', 'eff. tokens'], 95, ({ rangeEffectiveTokens: range }) =>
      range === null ? dash : `${formatTokens(range[0])}–${formatTokens(range[1])}`,
    ),
    column(['share', 'of work'], 80, ({ shareOfWork }) => share(shareOfWork)),
    column(['visible', 'in usage'], 97, visibilityText, 'left'),
  ];
  if (rows.some(({ ran }) => ran < 1)) columns.push(column(['runs', 'in'], 40, ({ ran }) => share(ran)));
  const onePrice = findings.hiddenWork[metric]?.misbilling?.onePrice ?? null;
  if (onePrice === null) return columns;
  const [names, ...others] = columns;
  return [
    { ...names!, values: [...names!.values, '(one price for all tokens)'] },
    ...others,
    {
      header: ['adds to', 'misbilled'],
      align: 'right',
      importance: 50,
      values: [...rows.map((row) => signed(contribution(row))), signed(onePrice)],
    },
  ];
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
