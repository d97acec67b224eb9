import { createColors } from 'picocolors';
import type { Findings } from '../../analysis/findings.js';
import type { AnsweredQuestion } from '../../analysis/questions/answers.js';
import { answersTable, componentsTable } from '../tables/stages.js';
import { answerSentence } from '../words/answers.js';
import { cellName } from '../words/names.js';
import { farthestWaterfall, hiddenWorkSentences, ledgerSentences, stageMetric } from '../words/stages.js';
import { fittingColumns, renderTable } from './table.js';
import { renderWaterfall } from './waterfall.js';
import { wrap } from './wrap.js';

/** The least width, in characters, at which components go by their full names. */
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
    ...findings.questions.map((question) => questionText(question, width, colors.bold)),
    colors.dim(lines(balanced)),
    colors.yellow(lines(violated)),
  ].filter((section) => section !== '');
}

function stageTable(findings: Findings, width: number, style: (text: string) => string): string {
  const metric = stageMetric(findings);
  const table = metric === null ? null : componentsTable(findings, metric);
  if (table === null) return '';
  const [first, ...others] = table.columns;
  // Components by the names of their stages, where those of the public debate are too long.
  const names = new Map(findings.components.map(({ name, component }) => [component, name]));
  const text = first!.text.map((component) => names.get(component) ?? component);
  const columns = width >= roomyWidth ? table.columns : [{ ...first!, text }, ...others];
  return `${style(wrap(`${table.title}:`, width))}\n${renderTable(fittingColumns(columns, width), width, style)}`;
}

/** Only where there is hidden work to be seen. */
function waterfall(findings: Findings, options: { width: number; color: boolean }): string {
  const metric = stageMetric(findings);
  const farthest = farthestWaterfall(findings);
  if (metric === null || farthest === null || !((findings.hiddenWork[metric]?.value ?? 0) >= 0.01)) return '';
  return renderWaterfall(farthest, { ...options, name: cellName(farthest.of, findings.workload.models) });
}

function questionText(question: AnsweredQuestion, width: number, style: (text: string) => string): string {
  const { text, answers, reason } = question;
  const kinds = [...new Set(answers.map(({ statistic }) => statistic))];
  const parts = kinds.map((kind) => {
    const own = answers.filter(({ statistic }) => statistic === kind);
    if (own.length > mostSentences) {
      const { columns } = answersTable(question, own);
      return renderTable(fittingColumns(columns, width), width, String);
    }
    return own.map((answer) => wrap(answerSentence(question, answer), width)).join('\n');
  });
  const unknown = reason === undefined ? [] : [wrap(`Not known: ${reason}.`, width)];
  return [style(wrap(text, width)), ...parts, ...unknown].join('\n');
}
