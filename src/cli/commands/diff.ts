import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import { type Comparison, compareResults } from '../../analysis/compare/compare.js';
import { crossings, refuseTooFew, refuseUntestable, type Threshold } from '../../analysis/compare/fail-on.js';
import { exitCode } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import { metrics } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { printableJson } from '../../core/text.js';
import { renderComparisonMarkdown } from '../../report/markdown/comparison.js';
import { renderComparison } from '../../report/terminal/comparison.js';
import type { ComparedNames } from '../../report/words/comparison.js';
import { formatNumber } from '../../report/words/format.js';
import { repeatable, wholeNumber } from '../arguments.js';
import { parseFailOn, testBudgets } from '../fail-on.js';
import { listed } from '../help/help.js';
import { onInterrupt } from '../interrupt.js';
import { writeOutputFile } from '../output-file.js';
import { progressLine } from '../progress.js';
import { readResultFiles } from '../result-file.js';
import { runInTurn } from '../run-in-turn.js';
import { printData, terminalOf } from '../terminal.js';

interface DiffFlags {
  json?: boolean;
  markdown?: boolean;
  failOn?: string[];
  force?: boolean;
  out?: string;
  run?: boolean;
  rounds?: number;
  keep?: string;
}

/** Of each side; fewer cannot take turns. */
const fewestRounds = 2;

export function diffCommand(): Command {
  return new Command('diff')
    .description(
      'Compare results cell by cell: what changed, and is it real?\nfaster and slower, less and more are significant, same is shown by an equivalence test, ~ is neither.',
    )
    .argument(
      '<baseline>',
      'a result, or several of one kind joined by commas, run in turn with the candidate',
    )
    .argument('<candidate...>', 'results to hold against it, each one or several')
    .option(
      '--run',
      'baseline and candidates are commands that end in `tokenwork bench …`, each in quotes: run them in turn (A B B A …) and compare what they measured',
    )
    .option(
      '--rounds <n>',
      `with --run: times each command is run (default: ${fewestRounds})`,
      wholeNumber(fewestRounds),
    )
    .option('--keep <folder>', 'with --run: a new folder that the results stay in')
    .option('--json', 'machine output; an array where there are several candidates')
    .option('--markdown', 'tables for a pull request')
    .option(
      '--fail-on <threshold>',
      'exit with 1 where a regression is significant and larger, such as "cpuTime>5%", or a candidate surely breaks a budget, such as "cpuTime<=20ms/token"; repeatable',
      repeatable,
    )
    .option(
      '--out <file>',
      'write a page with paired charts as well: one HTML file that needs no network (- prints only that)',
    )
    .option('--force', 'compare what different workloads have in common')
    .addHelpText('after', ({ command }) => `\n${listed(command, 'Metrics', metrics)}`)
    .addHelpText(
      'after',
      `Examples:
  tokenwork diff before.json after.json --out diff.html
  tokenwork diff before1.json,before2.json after1.json,after2.json
  tokenwork diff main.json branch.json --markdown --fail-on "cpuTime>5%"
  tokenwork diff --run "tokenwork bench --dtype fp32" \\
    "tokenwork bench --dtype q4"
  tokenwork diff --fail-on "cpuTime>5%" \\
    --run "cd base && npx tokenwork bench --suite ci --repetitions 10" \\
    "cd branch && npx tokenwork bench --suite ci --repetitions 10"

With --run each command is a line of the shell, to which --quiet --out FILE is
appended. A command that fails ends the comparison with exit code 3, and so does
Ctrl-C: the runs that were done are kept, and the message says where.`,
    )
    .action(diff);
}

async function diff(baselinePath: string, candidatePaths: string[], flags: DiffFlags): Promise<void> {
  if ([flags.json, flags.markdown, flags.out === '-'].filter(Boolean).length > 1) {
    throw new TokenworkError(
      'bad-option',
      'Standard output takes one of --json, --markdown and --out -.',
      'Leave out the others, or name a file with --out.',
    );
  }
  if (!flags.run && (flags.rounds !== undefined || flags.keep !== undefined)) {
    throw new TokenworkError(
      'bad-option',
      '--rounds and --keep are given without --run.',
      'Add --run, and commands in place of files.',
    );
  }
  const { thresholds, budgets } = parseFailOn(flags.failOn);
  const asked = [baselinePath, ...candidatePaths];
  const [baseline, ...candidates] = flags.run ? await measured(asked, flags, thresholds) : await read(asked);
  const comparisons = compareResults(baseline!, candidates, { force: flags.force === true });
  const compared = comparisons.map((comparison, index) => ({
    comparison,
    names: { baseline: baselinePath, candidate: candidatePaths[index]! },
  }));
  const page = flags.out === undefined ? undefined : await pageOf(compared);
  if (page !== undefined && flags.out !== '-') await writeOutputFile(flags.out!, page);
  await printData(page !== undefined && flags.out === '-' ? page : render(compared, flags));
  testBudgets(candidates.flat(), budgets);
  for (const comparison of comparisons) {
    refuseUntestable(comparison, thresholds);
    for (const { threshold, cell, ratio } of crossings(comparison, thresholds)) {
      process.stderr.write(
        `${threshold.metric} of ${cell ?? 'all cells together'} is ${formatNumber(ratio)}× the baseline, more than ${formatNumber(threshold.above * 100)}% above it.\n`,
      );
      process.exitCode = exitCode.thresholdCrossed;
    }
  }
}

async function read(sides: readonly string[]): Promise<Result[][]> {
  const results: Result[][] = [];
  for (const side of sides) results.push(await readResultFiles(await filesOf(side)));
  return results;
}

/** The results of commands that are run in turn. What could not be compared or tested ends them after the first round. */
async function measured(
  commands: readonly string[],
  { rounds = fewestRounds, keep, force = false }: DiffFlags,
  thresholds: readonly Threshold[],
): Promise<Result[][]> {
  const line = progressLine(process.stderr, false);
  const interrupt = onInterrupt(() =>
    line.note('Stopping: what has been measured is kept. Press Ctrl-C again to leave at once.'),
  );
  try {
    return await runInTurn(commands, {
      ...{ rounds, keep, line, signal: interrupt.signal },
      checkFirst([first, ...others]) {
        compareResults(first!, others, { force });
        if (thresholds.length > 0) refuseTooFew([first!, ...others], rounds);
      },
    });
  } finally {
    line.clear();
    interrupt.dispose();
  }
}

/** The files that a side names: one, whose name may hold a comma, or several between commas. */
async function filesOf(side: string): Promise<string[]> {
  const isFile = await stat(side).then(() => true, otherwise(false, 'a side of a comparison as one file'));
  return isFile ? [side] : side.split(',').filter((path) => path !== '');
}

interface Compared {
  comparison: Comparison;
  names: ComparedNames;
}

function render(compared: readonly Compared[], { json, markdown }: DiffFlags): string {
  if (json) {
    const comparisons = compared.map(({ comparison }) => comparison);
    return `${printableJson(comparisons.length === 1 ? comparisons[0] : comparisons, 2)}\n`;
  }
  return compared
    .map(({ comparison, names }) =>
      markdown
        ? renderComparisonMarkdown(comparison, names)
        : renderComparison(comparison, names, terminalOf(process.stdout)),
    )
    .join('\n');
}

/** Loaded where a page is asked for alone, as the charts take a while to load. */
async function pageOf(compared: readonly Compared[]): Promise<string> {
  const { renderComparisonPage } = await import('../../report/html/comparison/page.js');
  return renderComparisonPage(compared);
}
