import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { findingsOf } from '../../analysis/findings.js';
import type { PromptTrace } from '../../analysis/stages/prompt-trace.js';
import { type TracedPrompt, tracedPrompts } from '../../analysis/stages/traced-prompts.js';
import { TokenworkError } from '../../core/errors.js';
import { metricOf } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { plainText, printableJson } from '../../core/text.js';
import type { Dtype } from '../../models/dtype.js';
import { renderPromptTable, renderPromptTrace } from '../../report/terminal/prompt-trace.js';
import { tracedModel } from '../../report/words/prompt-trace.js';
import { runBench } from '../../run/bench.js';
import type { BenchOptions } from '../../run/options.js';
import { usualAnswerTokens } from '../../workload/named-prompts.js';
import { benchOptions } from '../../workload/options/bench-options.js';
import { loadPipeline } from '../../workload/pipelines/pipeline.js';
import { promptSuite } from '../../workload/prompt-suite.js';
import { optionOf, wholeNumber } from '../arguments.js';
import { askerOn } from '../ask.js';
import { onInterrupt } from '../interrupt.js';
import { writeOutputFile } from '../output-file.js';
import { progressLine } from '../progress.js';
import { printData, terminalOf } from '../terminal.js';
import { type InputFlags, promptsToTrace, publishedExample, type TraceInput } from '../trace-input.js';

interface TraceFlags
  extends InputFlags,
    Pick<BenchOptions, 'engine' | 'device' | 'threads' | 'seed' | 'energy'> {
  model: string;
  dtype?: Dtype;
  repetitions: number;
  full?: boolean;
  out?: string;
  yes?: boolean;
  json?: boolean;
  quiet?: boolean;
}

export function traceCommand(): Command {
  return new Command('trace')
    .description(
      'Follow prompts of yours through a pipeline: what each takes, and its billed tokens against effective tokens, stage by stage.\nAn effective token is as much work as a billed token of a plain request (128 + 128), measured in the same run.',
    )
    .argument('[prompt]', 'the text of the prompt, or - for standard input')
    .option('--prompt-file <file>', 'a file that is one prompt')
    .option(
      '--prompts <path>',
      'several prompts, as a table: JSONL (texts, {"prompt"}, {"messages"}, with "max_tokens"), an OpenAI batch, ShareGPT, or a folder of .txt, .md and .json',
    )
    .addOption(optionOf(benchOptions.limit, { help: 'only the first n of --prompts' }))
    .option(
      '--answer-tokens <n>',
      `length of an answer that names none (default: ${usualAnswerTokens}; ${publishedExample.answerTokens} for "${publishedExample.text}", the published example)`,
      wholeNumber(1),
    )
    .option(
      '--pipeline <pipeline>',
      'a pipeline of bench/pipelines/ or the path of one',
      publishedExample.pipeline,
    )
    .option('--model <model>', 'the chat model, as `tokenwork bench` takes it', 'smollm2-135m')
    .addOption(optionOf(benchOptions.dtype))
    .addOption(optionOf(benchOptions.engine))
    .addOption(optionOf(benchOptions.device))
    .addOption(optionOf(benchOptions.threads))
    .addOption(optionOf(benchOptions.seed))
    .addOption(optionOf(benchOptions.energy))
    .option('--repetitions <n>', 'times each prompt and the reference are measured', wholeNumber(1), 5)
    .option('--full', 'also each stage with its interval, and the published claim part by part')
    .option('--out <file>', 'write the page about the run there (HTML), or its result (.json)')
    .addOption(optionOf(benchOptions.yes, { help: 'build models of more than 2 GiB without asking' }))
    .addOption(optionOf(benchOptions.json, { help: 'machine output' }))
    .addOption(optionOf(benchOptions.quiet))
    .addHelpText(
      'after',
      `
Examples:
  tokenwork trace "Hello"
  tokenwork trace - --pipeline plain-chat --answer-tokens 200 < prompt.txt
  tokenwork trace --prompts prompts.jsonl --model hf:OWNER/NAME --limit 20
  tokenwork trace "Hello" --json`,
    )
    .action(trace);
}

async function trace(argument: string | undefined, flags: TraceFlags): Promise<void> {
  const { model, dtype, engine, device, threads, seed, energy, repetitions } = flags;
  const { out, full = false, json = false, quiet = false } = flags;
  const input = await promptsToTrace(argument, flags);
  const pipeline = await loadPipeline(flags.pipeline);
  const line = progressLine(process.stderr, quiet || json);
  const interrupt = onInterrupt(() => line.note('Stopping. Press Ctrl-C again to leave at once.'));
  const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-trace-'));
  if (input.skipped > 0) line.note(`${input.skipped} conversations in which nobody asks were left out.`);
  try {
    const { result } = await runBench({
      suite: promptSuite({ prompts: input.prompts, pipeline, model, dtype, repetitions }),
      ...{ engine, device, threads, seed, energy },
      // They are of the page alone.
      ceilings: out !== undefined,
      out: join(scratch, 'result.json'),
      command: `tokenwork ${process.argv.slice(2).join(' ')}`,
      signal: interrupt.signal,
      yes: flags.yes,
      confirm: askerOn(line, interrupt.signal),
      onProgress: ({ message }) => line.show(message),
    });
    line.clear();
    const traced = tracedPrompts(result);
    refuseNone(traced, result);
    if (out !== undefined) {
      const isPage = !out.endsWith('.json');
      await writeOutputFile(out, isPage ? await pageOf(result) : `${JSON.stringify(result, null, 1)}\n`);
    }
    const asked = { result, input, pipeline: pipeline.name };
    await printData(
      json
        ? `${printableJson(machineOutput(traced, asked), 2)}\n`
        : `${humanOutput(traced, { ...asked, full })}\n`,
    );
    if (out !== undefined) line.note(`Written: ${out}`);
  } catch (thrown) {
    throw thrown instanceof TokenworkError && thrown.code === 'interrupted' ? stopped(thrown) : thrown;
  } finally {
    line.clear();
    interrupt.dispose();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A run's own error says how to go on with it, and nothing of a trace is kept. */
function stopped(cause: TokenworkError): TokenworkError {
  return new TokenworkError(
    'interrupted',
    'The trace was stopped before its end, and nothing of it is kept.',
    'Run it again, with fewer --repetitions or a --limit if it takes too long.',
    { cause },
  );
}

/** Throws TokenworkError `nothing-measured` with what failed. */
function refuseNone(traced: readonly TracedPrompt[], { requests }: Result): void {
  if (traced.some((prompt) => prompt.trace !== null)) return;
  const tooLong = requests.some(
    ({ outcome }) =>
      outcome.status === 'failed' &&
      (outcome.code === 'context-exceeded' || outcome.code === 'device-out-of-memory'),
  );
  throw new TokenworkError(
    'nothing-measured',
    `${traced.length > 1 ? 'No prompt' : 'The prompt'} could ${traced.length > 1 ? '' : 'not '}be traced: ${traced[0]?.reason}`,
    `Try ${tooLong ? 'a shorter prompt, fewer --answer-tokens, ' : ''}another --pipeline or another --model.`,
  );
}

interface Asked {
  result: Result;
  input: TraceInput;
  pipeline: string;
}

function humanOutput(
  traced: readonly TracedPrompt[],
  { result, input, pipeline, full }: Asked & { full: boolean },
): string {
  const screen = terminalOf(process.stdout);
  const texts = new Map(input.prompts.map(({ name, text }) => [name, text]));
  const { cell, trace: only } = traced.find((prompt) => prompt.trace !== null)!;
  const shared = { ...screen, result, model: tracedModel(result, cell.model) };
  if (!input.isFile && only !== null) {
    const name = `"${excerptOf(texts.get(only.waterfall.of)!, 40)}" through ${pipeline}`;
    return renderPromptTrace(only, { ...shared, name, isPublishedExample: input.isPublishedExample, full });
  }
  const rows = traced.map((prompt) => ({ ...prompt, excerpt: excerptOf(texts.get(prompt.name)!, 20) }));
  return renderPromptTable(rows, { ...shared, pipeline });
}

/** The beginning of a text, on one line. */
function excerptOf(text: string, most: number): string {
  const letters = [...plainText(text)];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('');
}

function machineOutput(traced: readonly TracedPrompt[], { result, input, pipeline }: Asked): object {
  const { cell, trace: first } = traced.find((prompt) => prompt.trace !== null)!;
  const { metric, plainToken, reference } = first!;
  const shared = {
    metric,
    pipeline,
    model: cell.model,
    plainToken: { ...plainToken, unit: metricOf(metric).unit, model: cell.model, reference },
    warnings: result.warnings,
  };
  if (!input.isFile) return { ...machineFigures(first!, input.isPublishedExample), ...shared };
  const prompts = traced.map(({ name, trace: own, reason }) =>
    own === null ? { name, failed: reason } : { name, ...machineFigures(own, false) },
  );
  return { ...shared, prompts };
}

function machineFigures(
  { repetitions, cost, waterfall, effective, stages, claim }: PromptTrace,
  hasClaim: boolean,
): object {
  return {
    billed: waterfall.billed,
    effective: effective.value,
    low: effective.low,
    high: effective.high,
    repetitions,
    cost,
    stages: stages.map(({ name, processed, billed, visibility, interval: { value, low, high } }) => {
      return { name, processed, billed, effective: value, low, high, visibility };
    }),
    ...(hasClaim && { claim }),
  };
}

async function pageOf(result: Result): Promise<string> {
  // Imported here because drawing charts takes a library that a trace without a page should not wait for.
  const { renderPage } = await import('../../report/html/page.js');
  return renderPage([{ result, findings: findingsOf(result) }]);
}
