import { Command } from 'commander';
import { type Comparison, compareResults } from '../../analysis/compare.js';
import { crossings, parseThreshold, refuseUntestable } from '../../analysis/fail-on.js';
import { exitCode } from '../../core/errors.js';
import { cellLabel } from '../../report/comparison-tables.js';
import { renderComparison, renderComparisonMarkdown } from '../../report/comparison-text.js';
import { formatNumber } from '../../report/format.js';
import { repeatable } from '../arguments.js';
import { readResultFiles } from '../result-file.js';
import { printData, terminalOf, withoutControls } from '../terminal.js';

interface DiffFlags {
  json?: boolean;
  markdown?: boolean;
  failOn?: string[];
  force?: boolean;
}

export function diffCommand(): Command {
  return new Command('diff')
    .description(
      'Compare results cell by cell: what changed, and is it real?\nfaster and slower are significant, same is shown by an equivalence test, ~ is neither.',
    )
    .argument('<baseline>', 'a result')
    .argument('<candidate...>', 'results to hold against it')
    .option('--json', 'machine output; an array where there are several candidates')
    .option('--markdown', 'tables for a pull request')
    .option(
      '--fail-on <metric>percent%>',
      'exit with 1 where a regression is significant and larger, such as "cpuTime>5%"; repeatable',
      repeatable,
    )
    .option('--force', 'compare what different workloads have in common')
    .addHelpText(
      'after',
      `
Examples:
  tokenwork diff before.json after.json
  tokenwork diff main.json branch.json --markdown --fail-on "cpuTime>5%"`,
    )
    .action(diff);
}

async function diff(baselinePath: string, candidatePaths: string[], flags: DiffFlags): Promise<void> {
  const thresholds = (flags.failOn ?? []).map(parseThreshold);
  const [baseline, ...candidates] = await readResultFiles([baselinePath, ...candidatePaths]);
  const comparisons = compareResults(baseline!, candidates, { force: flags.force === true });
  await printData(render(comparisons, [baselinePath, ...candidatePaths], flags));
  for (const comparison of comparisons) {
    refuseUntestable(comparison, thresholds);
    for (const { threshold, cell, ratio } of crossings(comparison, thresholds)) {
      process.stderr.write(
        `${threshold.metric} of ${cellLabel(cell)} is ${formatNumber(ratio)}× the baseline, more than ${formatNumber(threshold.above * 100)}% above it.\n`,
      );
      process.exitCode = exitCode.thresholdCrossed;
    }
  }
}

function render(comparisons: readonly Comparison[], paths: readonly string[], flags: DiffFlags): string {
  if (flags.json) {
    return `${JSON.stringify(comparisons.length === 1 ? comparisons[0] : comparisons, null, 2)}\n`;
  }
  const [baseline, ...candidates] = paths;
  const text = comparisons
    .map((comparison, index) => {
      const names = { baseline: baseline!, candidate: candidates[index]! };
      return flags.markdown
        ? renderComparisonMarkdown(comparison, names)
        : renderComparison(comparison, names, terminalOf(process.stdout));
    })
    .join('\n');
  return withoutControls(text);
}
