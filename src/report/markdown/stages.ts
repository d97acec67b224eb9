import type { Findings } from '../../analysis/findings.js';
import { hiddenWorkColumns } from '../tables/hidden-work.js';
import { componentTableColumns, stageTableColumns } from '../terminal/stages.js';
import { answerSentence } from '../words/answers.js';
import { hiddenWorkSentences, ledgerSentences, stageMetric } from '../words/stages.js';
import { markdownTable, markdownText } from './table.js';

/** What a run's stages say, as sections of Markdown; none for a result without stages. */
export function stageMarkdown(findings: Findings): string[] {
  const metric = stageMetric(findings);
  const table = metric === null ? null : componentTableColumns(findings, metric);
  if (metric === null || table === null) return [];
  const stages = stageTableColumns(findings, metric);
  const hidden = hiddenWorkColumns(findings);
  const { balanced, violated } = ledgerSentences(findings);
  return [
    '## Hidden work',
    ...hiddenWorkSentences(findings).map(markdownText),
    hidden === null ? '' : markdownTable(hidden),
    markdownTable(table),
    stages === null ? '' : markdownTable(stages),
    ...findings.experiments.flatMap((experiment) => [
      `**${markdownText(experiment.text)}**`,
      experiment.reason === undefined
        ? experiment.answers
            .map((answer) => `- ${markdownText(answerSentence(experiment, answer))}`)
            .join('\n')
        : markdownText(`Not known: ${experiment.reason}.`),
    ]),
    ...[...violated, ...balanced].map(markdownText),
  ];
}
