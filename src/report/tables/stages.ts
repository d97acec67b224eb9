import type { Findings } from '../../analysis/findings.js';
import type { Answer, AnsweredQuestion } from '../../analysis/questions/answers.js';
import type { StageEffect } from '../../analysis/stages/effects.js';
import type { ClaimPart } from '../../analysis/stages/prompt-trace.js';
import { type Waterfall, type WaterfallStep, waterfallSteps } from '../../analysis/stages/waterfall.js';
import type { WorkMetric } from '../../core/metrics.js';
import { answerFigure, comparison, verdictWords } from '../words/answers.js';
import { capitalized, dash, formatEstimate, formatTokens, percent, shares } from '../words/format.js';
import { cellName, factorName, metricName } from '../words/names.js';
import { stageName } from '../words/stages.js';
import { columnsOf, type Table } from './table.js';

/** The hidden share by every metric that stages measured, then by pipeline; `null` where none did. */
export function hiddenWorkTable({ hiddenWork }: Findings): Table | null {
  const rows = (
    Object.entries(hiddenWork) as [WorkMetric, NonNullable<Findings['hiddenWork'][WorkMetric]>][]
  ).flatMap(([metric, hidden]) => (hidden.value === null ? [] : [{ metric, ...hidden }]));
  if (rows.length === 0) return null;
  const pipelines = [
    ...new Set(rows.flatMap(({ byPipeline }) => byPipeline?.map(({ pipeline }) => pipeline) ?? [])),
  ];
  const table = columnsOf(rows);
  const nothing = { value: null, low: null, high: null };
  return {
    name: 'hidden-work',
    title: 'Share of the work that no bill shows, by measure of work',
    columns: [
      table.text('work', ({ metric }) => capitalized(metricName(metric))),
      table.estimate('hidden', (hidden) => hidden, { id: 'hidden_share', style: shares }),
      ...pipelines.map((name) =>
        table.estimate(
          `in ${name}`,
          ({ byPipeline }) => byPipeline?.find(({ pipeline }) => pipeline === name) ?? nothing,
          { style: shares },
        ),
      ),
      table.number('visibility score', ({ visibilityScore }) => visibilityScore, {
        show: (value) => percent(value),
      }),
    ],
  };
}

/** A row per component that was weighed, by the names of the public debate; `null` where none was. */
export function componentsTable(findings: Findings, metric: WorkMetric): Table | null {
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
  const nameOf = ({ component }: StageEffect) => component;
  const title = `What each part of answering costs, by ${metricName(metric)}`;
  return effectsTable('component', title, findings.components, { findings, metric, nameOf, contribution });
}

/** Parts of components of several stages, a row per stage; `null` where each is but one. */
export function stagesTable(findings: Findings, metric: WorkMetric): Table | null {
  if (findings.stages.length === findings.components.length) return null;
  const byStage = findings.hiddenWork[metric]?.misbilling?.byStage ?? [];
  const contributions = new Map(byStage.map(({ stage, contribution }) => [stage, contribution]));
  const contribution = ({ name }: StageEffect) => contributions.get(name) ?? null;
  const title = `What each stage costs, by ${metricName(metric)}`;
  return effectsTable('stage', title, findings.stages, { findings, metric, nameOf: stageName, contribution });
}

interface Weighing {
  findings: Findings;
  metric: WorkMetric;
  nameOf(row: StageEffect): string;
  /** To the misbilled share. */
  contribution(row: StageEffect): number | null;
}

interface EffectRow {
  name: string;
  /** `null` for the row of one price for all tokens. */
  of: (StageEffect & NonNullable<StageEffect['byMetric'][WorkMetric]>) | null;
  contribution: number | null;
}

function effectsTable(
  what: 'component' | 'stage',
  title: string,
  effects: readonly StageEffect[],
  { findings, metric, nameOf, contribution }: Weighing,
): Table | null {
  const weighed = effects.flatMap((effect): EffectRow[] => {
    const weight = effect.byMetric[metric];
    if (weight === undefined || weight.shareOfWork === null) return [];
    const of = { ...effect, ...weight };
    return [{ name: nameOf(of), of, contribution: contribution(of) }];
  });
  if (weighed.length === 0) return null;
  const onePrice = findings.hiddenWork[metric]?.misbilling?.onePrice ?? null;
  const last = { name: '(one price for all tokens)', of: null, contribution: onePrice };
  const table = columnsOf(onePrice === null ? weighed : [...weighed, last]);
  // The last row has no work of its own, and so no dash in place of it.
  const share = (value: (row: NonNullable<EffectRow['of']>) => number | null) => ({
    value: ({ of }: EffectRow) => of && value(of),
    show: (shown: number) => percent(shown),
  });
  const ofWork = share(({ shareOfWork }) => shareOfWork);
  const ran = share((row) => row.ran);
  const columns = [
    table.text(what, ({ name }) => name, { priority: 100 }),
    table.number(['fixed cost', 'eff. tokens'], ({ of }) => of?.fixedEffectiveTokens ?? null, {
      id: 'fixed_cost_effective_tokens',
      show: formatTokens,
      priority: 90,
    }),
    table.ends(
      ['p5–p95', 'eff. tokens'],
      ({ of }) => {
        const range = of?.rangeEffectiveTokens ?? null;
        return range && { low: range[0], high: range[1] };
      },
      {
        id: 'p5_p95_effective_tokens',
        show: (low, high) => (low === null ? dash : `${formatTokens(low)}–${formatTokens(high)}`),
        priority: 95,
      },
    ),
    table.number(['share', 'of work'], ofWork.value, { show: ofWork.show, priority: 80 }),
    table.text(['visible', 'in usage'], ({ of }) => (of === null ? '' : visibilityText(of)), {
      priority: 97,
    }),
    ...(weighed.some(({ of }) => of!.ran < 1)
      ? [table.number(['runs', 'in'], ran.value, { id: 'runs_in_share', show: ran.show, priority: 40 })]
      : []),
    ...(onePrice === null
      ? []
      : [
          table.number(['adds to', 'misbilled'], (row) => row.contribution, {
            id: 'adds_to_misbilled_share',
            show: signed,
          }),
        ]),
  ];
  const blank = columns.map((column) => ({
    ...column,
    text: column.text.map((text, row) => (row >= weighed.length && text === dash ? '' : text)),
  }));
  return { name: `${what}s-${metric}`, title, columns: blank };
}

/** `high 82%`; nothing is added to `none`. */
function visibilityText({
  visibility,
  visibleShare,
}: Pick<StageEffect, 'visibility'> & { visibleShare: number | null }): string {
  if (visibility === null) return dash;
  return visibility === 'none' ? visibility : `${visibility} ${percent(visibleShare)}`;
}

function signed(value: number): string {
  return Math.abs(value) < 5e-5 ? '0%' : `${value < 0 ? '−' : '+'}${percent(Math.abs(value))}`;
}

/** The steps from billed to effective tokens, a row per stage; `null` where something was not measured. */
export function waterfallTable(waterfall: Waterfall, models: readonly string[] = []): Table | null {
  const steps = waterfallSteps(waterfall);
  if (steps === null) return null;
  const table = columnsOf(steps);
  const tokens = { show: formatTokens, absent: '' };
  return {
    name: 'waterfall',
    title: `From billed to effective tokens, stage by stage, of ${cellName(waterfall.of, models)}`,
    columns: [
      table.text('stage', ({ label }) => label, { priority: 100 }),
      table.number('processed', ({ stage }) => stage?.processed ?? null, {
        ...tokens,
        id: 'processed_tokens',
        priority: 60,
      }),
      table.number('billed', ({ stage, kind, to }) => (kind === 'billed' ? to : (stage?.billed ?? null)), {
        ...tokens,
        id: 'billed_tokens',
        priority: 80,
      }),
      table.number('effective', effectiveOf, { ...tokens, id: 'effective_tokens', priority: 99 }),
      table.text('visible', ({ stage }) => stage?.visibility ?? '', { priority: 70 }),
    ],
  };
}

function effectiveOf({ kind, stage, from, to }: WaterfallStep): number | null {
  return kind === 'billed' ? null : (stage?.effective ?? to - from);
}

/** Answers to one question by one statistic. */
export function answersTable(question: AnsweredQuestion, answers: readonly Answer[]): Table {
  const table = columnsOf(answers);
  const factors = [...new Set(answers.flatMap(({ by }) => Object.keys(by)))];
  return {
    name: 'answers',
    title: question.text,
    columns: [
      table.text(question.factor, ({ level }) => String(level), { priority: 100 }),
      ...factors.map((factor) =>
        table.text(factorName(factor), ({ by }) => String(by[factor] ?? dash), {
          align: 'right',
          priority: 90,
        }),
      ),
      {
        ...table.estimate(comparison(question, answers[0]!), (answer) => answer, { priority: 99 }),
        text: answers.map(answerFigure),
      },
      table.text(['', ''], verdictWords, { id: 'verdict', priority: 80 }),
    ],
  };
}

/** Every answer of a run, in one file. */
export function questionsTable({ questions }: Findings): Table {
  const rows = questions.flatMap(({ answers, ...question }) =>
    answers.map((answer) => ({ ...question, ...answer })),
  );
  const table = columnsOf(rows);
  return {
    name: 'answers',
    title: 'What the suite asked, and what the run answers',
    columns: [
      table.text('question', ({ text }) => text),
      table.text('metric', ({ metric }) => metric),
      table.text('per', ({ per }) => per),
      table.text('statistic', ({ statistic }) => statistic),
      table.text('factor', ({ factor }) => factor),
      table.text('baseline', ({ baseline }) => String(baseline)),
      table.text('level', ({ level }) => String(level)),
      table.text('at', ({ by }) =>
        Object.entries(by)
          .map((pair) => pair.join(' = '))
          .join(', '),
      ),
      table.estimate('value', (answer) => answer),
      table.text('verdict', ({ verdict }) => verdict),
      table.text('reason', ({ reason }) => reason ?? null),
    ],
  };
}

/** The published claim's parts beside what was measured. */
export function claimTable(claim: readonly ClaimPart[], metric: string): Table {
  const table = columnsOf(claim);
  return {
    name: 'claim',
    title: 'The claim, part by part',
    columns: [
      table.text('part', ({ part }) => part, { priority: 100 }),
      table.number(['claimed', 'tokens'], ({ claimed }) => claimed, { show: String, priority: 80 }),
      table.number(['positions', '(input)'], ({ processed }) => processed, { priority: 70 }),
      {
        ...table.estimate(['effective here', `by ${metric}`], ({ effective }) => effective, { priority: 90 }),
        text: claim.map(({ effective }) => effectiveTokens(effective)),
      },
    ],
  };
}

/** `89 [81–97]`; work below none is none. */
export function effectiveTokens({ value, low, high }: ClaimPart['effective']): string {
  return formatEstimate({ value, low: low === null ? null : Math.max(0, low), high });
}
