import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { exitCode } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { printableJson } from '../../core/text.js';
import { formatDuration } from '../../report/words/format.js';
import { runBench } from '../../run/bench.js';
import { type BenchOptions, type BenchProgress, benchOptionsOf } from '../../run/options.js';
import { benchOptions, type GivenOptions } from '../../workload/options/bench-options.js';
import { type OptionRecord, optionGroups } from '../../workload/options/option-record.js';
import { describePipelines } from '../../workload/pipelines/pipeline.js';
import type { ShippedFile } from '../../workload/shipped-file.js';
import { describeSuites } from '../../workload/suite.js';
import { optionOf } from '../arguments.js';
import { askerOn } from '../ask.js';
import { parseBudgets, testBudgets } from '../fail-on.js';
import { listed } from '../help/help.js';
import { onInterrupt } from '../interrupt.js';
import { pageHint, shellWord } from '../page-hint.js';
import { progressLine } from '../progress.js';
import { renderReport } from '../report-text.js';
import { printData, terminalOf } from '../terminal.js';

export function benchCommand(): Command {
  const command = new Command('bench').description(
    'Run a workload and record what each request cost.\nWrites a result file and prints the answer, with --full every table.',
  );
  for (const option of inGroups) command.addOption(optionOf(option).helpGroup(`${option.group}:`));
  return command
    .addHelpText(
      'after',
      `
Examples:
  tokenwork bench                             the quick suite, a minute at most
  tokenwork bench --model ./my-model --dtype fp32
                                              your own model, by the plain suite
  tokenwork bench --model tiny --trace azure.csv --limit 300
                                              a recorded trace
  tokenwork bench --model tiny --prompts prompts.jsonl
                                              your own prompts, three times each
  tokenwork bench --suite ci --concurrency 2 --out result.json
  tokenwork bench --fail-on "misbilled<=10%"
                                              exit with 1 where more is so
  tokenwork bench --endpoint http://127.0.0.1:8000/v1 --shape llama-3-8b
                                              a server that runs: vLLM, Ollama
  tokenwork bench --pipeline guarded-rag-reasoning
                                              the quick suite with hidden work
  tokenwork bench --record-sensors gpu.jsonl  keep what the sensors here read
  tokenwork bench --sensors recorded:gpu.jsonl
                                              … and play it on another machine
`,
    )
    .addHelpText('after', ({ command }) => shippedHelp(command, 'Suites', describeSuites()))
    .addHelpText('after', ({ command }) => shippedHelp(command, 'Pipelines', describePipelines()))
    .addHelpText(
      'after',
      `Batches run through safety checks, billed retrieval and reasoning, each row by
itself. A prefix cache, draft and verify, and retrieval that is not billed take
one sequence at a time: such batches are refused or left out.`,
    )
    .action(bench);
}

/** Commander lists groups in the order of their first options. */
const inGroups = optionGroups.flatMap((group) =>
  Object.values<OptionRecord>(benchOptions).filter((option) => option.group === group),
);

/** Shipped files under a title, of each description its first sentence. */
function shippedHelp(command: Command, title: string, files: readonly ShippedFile[]): string {
  const items = files.map(({ name, description }) => {
    const [sentence] = /^.+?[.:](?=\s|$)/s.exec(description) ?? [description];
    return { name, definition: sentence.replace(/[.:]$/, '') };
  });
  return listed(command, title, items);
}

async function bench(flags: GivenOptions): Promise<void> {
  const { json = false, quiet = false, full = false } = flags;
  refuseWorkload(flags);
  if (flags.force && flags.out === undefined)
    throw new TokenworkError('bad-option', '--force is given without --out.', 'Leave it out.');
  const budgets = parseBudgets(flags.failOn);
  const toStdout = json || flags.out === '-';
  const line = progressLine(process.stderr, quiet);
  const interrupt = onInterrupt(() =>
    line.note('Stopping: what has finished is being saved. Press Ctrl-C again to leave at once.'),
  );
  const options: BenchOptions = {
    ...benchOptionsOf(flags),
    out: flags.out === '-' ? undefined : flags.out,
    command: ['tokenwork', ...process.argv.slice(2)].map(shellWord).join(' '),
    signal: interrupt.signal,
    confirm: askerOn(line, interrupt.signal),
    onProgress: (progress) => {
      if (progress.note !== undefined) line.note(progress.note);
      line.show(describe(progress));
    },
  };
  let refused = false;
  try {
    const { result, path } = await runBench(options);
    line.clear();
    if (toStdout) {
      line.note(`Result: ${path}`);
      await printData(`${printableJson(result)}\n`);
    } else {
      await printData(renderReport(result, path, { ...terminalOf(process.stdout), full }));
      if (full) line.note(pageHint([path]));
    }
    if (!result.requests.some(({ outcome }) => outcome.status === 'ok')) throw nothingMeasured(path);
    testBudgets([result], budgets);
  } catch (thrown) {
    refused = thrown instanceof TokenworkError && thrown.exitCode === exitCode.unusableInput;
    throw thrown;
  } finally {
    line.clear();
    if (!refused && flags.recordSensors !== undefined && existsSync(flags.recordSensors)) {
      line.note(
        `What the sensors read: ${flags.recordSensors}. Play it with: tokenwork bench --sensors ${shellWord(`recorded:${flags.recordSensors}`)}`,
      );
    }
    interrupt.dispose();
  }
}

function describe({ phase, message, fraction, done, total, etaNs }: BenchProgress): string {
  if (phase === 'measuring') {
    const left = etaNs === null ? '' : `, ${formatDuration(Math.round(etaNs / 1e9) * 1e9)} left`;
    return `${done}/${total} requests${left}  ${message}`;
  }
  return fraction === null ? message : `${message} ${Math.floor(fraction * 100)}%`;
}

function nothingMeasured(path: string): TokenworkError {
  return new TokenworkError(
    'nothing-measured',
    'Every request failed, so nothing was measured.',
    `The result in ${path} gives the reason of each.`,
  );
}

function refuseWorkload({ suite, trace, prompts, limit, answerTokens, budget }: GivenOptions): void {
  const given = Object.entries({ trace, prompts, suite }).flatMap(([name, of]) =>
    of === undefined ? [] : [name],
  );
  if (given.length > 1) throw together(`--${given[0]}`, `--${given[1]}`);
  if (given.length > 0 && suite === undefined && budget !== undefined)
    throw together(`--${given[0]}`, '--budget');
  if (limit !== undefined && trace === undefined && prompts === undefined) {
    throw new TokenworkError(
      'bad-option',
      '--limit is given without --trace or --prompts.',
      'Name the file with --trace FILE or --prompts FILE.',
    );
  }
  if (answerTokens !== undefined && prompts === undefined) {
    throw new TokenworkError(
      'bad-option',
      '--answer-tokens is given without --prompts.',
      'Name the file with --prompts FILE.',
    );
  }
}

function together(one: string, other: string): TokenworkError {
  return new TokenworkError(
    'bad-option',
    `${one} and ${other} cannot be given together.`,
    `Leave out one of them.`,
  );
}
