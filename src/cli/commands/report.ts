import { Command } from 'commander';
import { findingsOf } from '../../analysis/findings.js';
import { renderFindings } from '../../report/findings-text.js';
import { renderRun } from '../../report/run-report.js';
import { readResultFiles } from '../result-file.js';
import { printData, terminalOf, withoutControls } from '../terminal.js';

export function reportCommand(): Command {
  return new Command('report')
    .description(
      'Say what a result shows: do tokens track the work?\nPrints the table of medians and the findings drawn from it.',
    )
    .argument('<result...>', 'files that `tokenwork bench` wrote')
    .option('--json', 'the findings as machine output; an array where several results are given')
    .action(report);
}

async function report(paths: string[], { json = false }: { json?: boolean }): Promise<void> {
  const results = await readResultFiles(paths);
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
