import { Command } from 'commander';
import { findingsOf } from '../../analysis/findings.js';
import { TokenworkError } from '../../core/errors.js';
import { renderFindings } from '../../report/findings-text.js';
import { renderRun } from '../../report/run-report.js';
import { cardsOf } from '../cards.js';
import { writeOutputFile } from '../output-file.js';
import { readResultFiles } from '../result-file.js';
import { printData, terminalOf, withoutControls } from '../terminal.js';

export function reportCommand(): Command {
  return new Command('report')
    .description(
      'Say what a result shows: do tokens track the work?\nPrints the table of medians and the findings drawn from it.',
    )
    .argument('<result...>', 'files that `tokenwork bench` wrote')
    .option('--json', 'the findings as machine output; an array where several results are given')
    .option(
      '--card [file]',
      'a cost card to publish beside a model: one page of Markdown, or with --json its figures',
    )
    .option('--model <id>', 'the card of this model only; without it, one of each model')
    .addHelpText(
      'after',
      `
Examples:
  tokenwork report result.json
  tokenwork report result.json --card COST.md`,
    )
    .action(report);
}

interface ReportFlags {
  json?: boolean;
  card?: string | true;
  model?: string;
}

async function report(paths: string[], { json = false, card, model }: ReportFlags): Promise<void> {
  if (model !== undefined && card === undefined) {
    throw new TokenworkError(
      'bad-option',
      '--model is given without --card.',
      'Add --card, or leave it out.',
    );
  }
  const results = await readResultFiles(paths);
  if (card !== undefined) {
    const cards = cardsOf(results, { json, ...(model !== undefined && { model }) });
    if (card === true || card === '-') await printData(cards);
    else await writeOutputFile(card, cards);
    return;
  }
  if (json) {
    const findings = results.map((result) => findingsOf(result));
    await printData(`${JSON.stringify(findings.length === 1 ? findings[0] : findings, null, 2)}\n`);
    return;
  }
  const terminal = terminalOf(process.stdout);
  for (const [index, result] of results.entries()) {
    const text = `${renderRun(result, { ...terminal, savedAt: paths[index] })}\n${renderFindings(findingsOf(result), terminal)}`;
    await printData(withoutControls(index === 0 ? text : `\n${text}`));
  }
}
