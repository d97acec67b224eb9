import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { findingsOf } from '../../analysis/findings.js';
import { type PromptTrace, promptTrace } from '../../analysis/stages/prompt-trace.js';
import { TokenworkError } from '../../core/errors.js';
import { isOk, type OkRequest, type Result } from '../../core/result.js';
import { printableJson } from '../../core/text.js';
import type { Dtype } from '../../models/dtype.js';
import { renderPromptTrace } from '../../report/terminal/prompt-trace.js';
import { runBench } from '../../run/bench.js';
import type { BenchOptions } from '../../run/options.js';
import { benchOptions } from '../../workload/bench-options.js';
import { loadPipeline } from '../../workload/pipelines/pipeline.js';
import { promptSuite, tracedPrompt } from '../../workload/prompt-suite.js';
import { optionOf, wholeNumber } from '../arguments.js';
import { onInterrupt } from '../interrupt.js';
import { writeOutputFile } from '../output-file.js';
import { progressLine } from '../progress.js';
import { printData, terminalOf } from '../terminal.js';

interface TraceFlags {
  pipeline: string;
  model: string;
  dtype?: Dtype;
  engine?: BenchOptions['engine'];
  device?: BenchOptions['device'];
  completionTokens: number;
  repetitions: number;
  out?: string;
  json?: boolean;
  quiet?: boolean;
}

export function traceCommand(): Command {
  return new Command('trace')
    .description(
      'Follow one prompt through a pipeline: billed tokens against effective tokens, stage by stage.\nAn effective token is as much work as a billed token of a plain request (128 + 128), measured in the same run.',
    )
    .argument('<prompt>', 'the text of the prompt')
    .option(
      '--pipeline <pipeline>',
      'a pipeline of bench/pipelines/ or the path of one',
      'guarded-rag-reasoning',
    )
    .option('--model <model>', 'the chat model, as `tokenwork bench` takes it', 'smollm2-135m')
    .addOption(optionOf(benchOptions.dtype))
    .addOption(optionOf(benchOptions.engine))
    .addOption(optionOf(benchOptions.device))
    .option('--completion-tokens <n>', 'length of the answer', wholeNumber(1), 2)
    .option('--repetitions <n>', 'times the prompt and the reference are measured', wholeNumber(1), 5)
    .option('--out <file>', 'write the page about the run there (HTML), or its result (.json)')
    .addOption(optionOf(benchOptions.json, { help: 'machine output' }))
    .addOption(optionOf(benchOptions.quiet))
    .addHelpText(
      'after',
      `
Examples:
  tokenwork trace "Hello"
  tokenwork trace "Hello" --pipeline guarded-chat --completion-tokens 32
  tokenwork trace "Hello" --json`,
    )
    .action(trace);
}

async function trace(text: string, flags: TraceFlags): Promise<void> {
  const {
    model,
    dtype,
    engine,
    device,
    completionTokens,
    repetitions,
    out,
    json = false,
    quiet = false,
  } = flags;
  if (text === '') {
    throw new TokenworkError(
      'empty-prompt',
      'The prompt is empty.',
      'A decoder needs at least one token to start from: tokenwork trace "Hello".',
    );
  }
  const pipeline = await loadPipeline(flags.pipeline);
  const line = progressLine(process.stderr, quiet || json);
  const interrupt = onInterrupt(() => line.note('Stopping. Press Ctrl-C again to leave at once.'));
  const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-trace-'));
  try {
    const { result } = await runBench({
      suite: promptSuite({ text, pipeline, model, dtype, completionTokens, repetitions }),
      engine,
      device,
      out: join(scratch, 'result.json'),
      command: `tokenwork ${process.argv.slice(2).join(' ')}`,
      signal: interrupt.signal,
      onProgress: ({ message }) => line.show(message),
    });
    line.clear();
    const traced = traceIn(result);
    if (out !== undefined) {
      const isPage = !out.endsWith('.json');
      await writeOutputFile(out, isPage ? await pageOf(result) : `${JSON.stringify(result, null, 1)}\n`);
    }
    if (json) {
      await printData(`${printableJson(machineOutput(traced), 2)}\n`);
      return;
    }
    const name = `"${text.length > 40 ? `${text.slice(0, 39)}…` : text}" through ${pipeline.name}`;
    const rendered = renderPromptTrace(traced, { ...terminalOf(process.stdout), name, model });
    await printData(`${rendered}\n`);
    if (out !== undefined) line.note(`Written: ${out}`);
  } finally {
    line.clear();
    interrupt.dispose();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Throws TokenworkError `nothing-measured` with what failed. */
function traceIn(result: Result): PromptTrace {
  const isTraced = new Set(
    result.cells.filter(({ factors }) => factors.prompt === tracedPrompt).map(({ id }) => id),
  );
  const failed = result.requests.find(({ outcome }) => outcome.status === 'failed');
  const ok = result.requests.filter(isOk);
  const [traced, reference]: [OkRequest[], OkRequest[]] = [
    ok.filter(({ cell }) => isTraced.has(cell)),
    ok.filter(({ cell }) => !isTraced.has(cell)),
  ];
  if (traced.length > 0 && reference.length > 0) return promptTrace(traced, reference, tracedPrompt);
  const why = failed?.outcome.status === 'failed' ? failed.outcome.message : 'no request came to an end.';
  throw new TokenworkError(
    'nothing-measured',
    `The prompt could not be traced: ${why}`,
    'Try a shorter prompt, another --pipeline or another --model.',
  );
}

function machineOutput({
  metric,
  repetitions,
  plainToken,
  waterfall,
  effective,
  stages,
  claim,
}: PromptTrace) {
  return {
    billed: waterfall.billed,
    effective: effective.value,
    low: effective.low,
    high: effective.high,
    metric,
    repetitions,
    plainToken,
    stages: stages.map(({ name, processed, billed, visibility, interval: { value, low, high } }) => {
      return { name, processed, billed, effective: value, low, high, visibility };
    }),
    claim,
  };
}

async function pageOf(result: Result): Promise<string> {
  // Imported here because drawing charts takes a library that a trace without a page should not wait for.
  const { renderPage } = await import('../../report/html/page.js');
  return renderPage([{ result, findings: findingsOf(result) }]);
}
