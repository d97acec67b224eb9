import type { Findings } from '../../analysis/findings.js';
import { componentsTable, hiddenWorkTable, stagesTable } from '../tables/stages.js';
import { answerSentence } from '../words/answers.js';
import { hiddenWorkSentences, ledgerSentences, stageMetric } from '../words/stages.js';
import { markdownTable, markdownText } from './table.js';

/** Findings on a run's stages, as sections of Markdown; none for a result without stages. */
export function stageMarkdown(findings: Findings): string[] {
  const metric = stageMetric(findings);
  const components = metric === null ? null : componentsTable(findings, metric);
  if (metric === null || components === null) return [];
  const { balanced, violated } = ledgerSentences(findings);
  const tables = [hiddenWorkTable(findings), components, stagesTable(findings, metric)];
  return [
    '## Hidden work',
    ...hiddenWorkSentences(findings).map(markdownText),
    ...tables.map((table) => (table === null ? '' : markdownTable(table.columns))),
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
