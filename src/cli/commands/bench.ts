import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { findingsOf } from '../../analysis/findings.js';
import { exitCode } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { devices } from '../../engines/engine.js';
import { type Dtype, dtypes } from '../../models/dtype.js';
import { renderFindings } from '../../report/terminal/findings.js';
import { renderRun } from '../../report/terminal/run.js';
import { formatDuration } from '../../report/words/format.js';
import { runBench } from '../../run/bench.js';
import type { AskedDevice } from '../../run/gpu/choice.js';
import type { BenchOptions, BenchProgress } from '../../run/options.js';
import { parseSensorChoice, type SensorChoice } from '../../run/sampling/choice.js';
import { oneOf, repeatable, wholeNumber } from '../arguments.js';
import { onInterrupt } from '../interrupt.js';
import { pageHint, shellWord } from '../page-hint.js';
import { progressLine } from '../progress.js';
import { printData, terminalOf, withoutControls } from '../terminal.js';
import { toolCommit, toolVersion } from '../version.js';

// Beyond these a run measures nothing but the scheduler, and can take the machine down with it.
const mostThreads = 8 * availableParallelism();
const mostWorkers = 256;

interface BenchFlags {
  suite?: string;
  trace?: string;
  limit?: number;
  pipeline?: string;
  model?: string[];
  device: AskedDevice;
  allowParityMismatch?: boolean;
  dtype?: Dtype;
  backend?: 'auto' | 'native' | 'node';
  concurrency?: number;
  threads?: number;
  repetitions?: number;
  warmup?: number;
  seed?: number;
  deadline?: number;
  sensors?: SensorChoice;
  recordSensors?: string;
  energy?: boolean;
  validateAttribution?: boolean;
  out?: string;
  resume?: string;
  json?: boolean;
  quiet?: boolean;
}

export function benchCommand(): Command {
  return new Command('bench')
    .description(
      'Run a workload and record what each request cost.\nWrites a result file and prints a table of medians per cell.',
    )
    .option(
      '--suite <name>',
      'quick, ci, gpu, a question (see below), or the path of a suite file (default: quick)',
    )
    .option(
      '--trace <file>',
      'measure a recorded trace instead: CSV (TIMESTAMP, ContextTokens, GeneratedTokens) or JSONL (input_length, output_length)',
    )
    .option('--limit <n>', 'only the first n requests of the trace', wholeNumber(1))
    .option(
      '--model <model>',
      'a recipe (see `tokenwork models list`), a model folder, a config.json, or hf:OWNER/NAME; repeatable',
      repeatable,
    )
    .option(
      '--pipeline <pipeline>',
      'what every request goes through, in place of what the suite says: guarded-chat, guarded-rag-reasoning, rag-chat, reasoning-chat, speculative-chat, agent, plain-chat, or the path of a pipeline file',
    )
    .option(
      '--device <device>',
      'auto (a GPU that works, else the CPU), cpu, webgpu or cuda',
      oneOf(['auto', ...devices]),
      'auto',
    )
    .option(
      '--allow-parity-mismatch',
      'measure on the GPU although its logits are not the CPU’s, with a warning',
    )
    .option('--dtype <dtype>', dtypes.join(', '), oneOf(dtypes))
    .option(
      '--backend <backend>',
      'auto, native (ONNX Runtime’s C API) or node (its Node binding)',
      oneOf(['auto', 'native', 'node']),
    )
    .option('--concurrency <n>', 'requests in flight', wholeNumber(1, mostWorkers))
    .option('--threads <n>', 'intra-op threads per request (default: 1)', wholeNumber(1, mostThreads))
    .option('--repetitions <n>', 'times each cell is measured', wholeNumber(1))
    .option('--warmup <n>', 'requests per worker and model that are run first and discarded', wholeNumber(0))
    .option('--seed <n>', 'of the order of the requests and of their prompts', wholeNumber(0))
    .option('--deadline <seconds>', 'stop a request that takes longer, and count it as failed', seconds)
    .option(
      '--sensors <which>',
      'what is sampled beside the requests: auto (all there is), none, or recorded:FILE (a recorded session in place of this machine)',
      sensors,
    )
    .option(
      '--record-sensors <file>',
      'write every sample of the sensors to a new file, to be played with --sensors recorded:FILE anywhere',
    )
    .option(
      '--energy',
      'repeat each request until a window is long enough for its energy to be read; rows carry the mean',
    )
    .option(
      '--validate-attribution',
      'run the same requests alone as well, and say how far sharing counters among concurrent ones is off',
    )
    .option('--out <file>', 'where the result goes (- for stdout; default: ./tokenwork-SUITE-TIME.json)')
    .option('--resume <file>', 'go on with a run that was cut short: its journal or its incomplete result')
    .option('--json', 'print the result to stdout, and nothing else')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      `
Examples:
  tokenwork bench                                            the quick suite, about a minute
  tokenwork bench --model ./my-model --dtype fp32            real weights in transformers.js layout
  tokenwork bench --model tiny --trace azure.csv --limit 300 a recorded trace
  tokenwork bench --suite ci --concurrency 2 --out result.json
  tokenwork bench --pipeline guarded-rag-reasoning           the quick suite with hidden work
  tokenwork bench --record-sensors gpu.jsonl                 keep what the sensors of this machine read
  tokenwork bench --sensors recorded:gpu.jsonl               … and play it on another

Questions, each a suite of about a minute: cache-hit, context-length, reasoning, safety-flags, speculation,
mixture, batch-neighbours, language, output-length

Batches run through safety checks, billed retrieval and reasoning, each row by itself. A prefix cache, draft and
verify, and retrieval that is not billed take one sequence at a time: such batches are refused or left out.`,
    )
    .action(bench);
}

async function bench(flags: BenchFlags): Promise<void> {
  const { trace, limit, suite, json = false, quiet = false } = flags;
  if (trace !== undefined && suite !== undefined) throw together('--trace', '--suite');
  if (limit !== undefined && trace === undefined) {
    throw new TokenworkError(
      'bad-option',
      '--limit is given without --trace.',
      'Name the trace file with --trace FILE.',
    );
  }
  const toStdout = json || flags.out === '-';
  const line = progressLine(process.stderr, quiet);
  const interrupt = onInterrupt(() =>
    line.note('Stopping: what has finished is being saved. Press Ctrl-C again to leave at once.'),
  );
  const options: BenchOptions = {
    suite,
    trace: trace === undefined ? undefined : { path: trace, limit },
    pipeline: flags.pipeline,
    models: flags.model,
    dtype: flags.dtype,
    device: flags.device,
    allowParityMismatch: flags.allowParityMismatch,
    backend: flags.backend,
    threads: flags.threads,
    concurrency: flags.concurrency,
    repetitions: flags.repetitions,
    seed: flags.seed,
    warmup: flags.warmup,
    deadlineMs: flags.deadline === undefined ? undefined : flags.deadline * 1000,
    sensors: flags.sensors,
    recordSensors: flags.recordSensors,
    energy: flags.energy,
    validateAttribution: flags.validateAttribution,
    out: flags.out === '-' ? undefined : flags.out,
    resume: flags.resume,
    command: ['tokenwork', ...process.argv.slice(2)].map(shellWord).join(' '),
    tool: { version: toolVersion, commit: toolCommit() },
    signal: interrupt.signal,
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
      await printData(`${JSON.stringify(result)}\n`);
    } else {
      const terminal = terminalOf(process.stdout);
      await printData(withoutControls(`${renderRun(result, { ...terminal, savedAt: path })}\n`));
      await printData(withoutControls(renderFindings(findingsOf(result), terminal)));
      line.note(pageHint([path]));
    }
    if (!result.requests.some(({ outcome }) => outcome.status === 'ok')) throw nothingMeasured(path);
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

function seconds(value: string): number {
  const number = Number(value);
  if (value.trim() !== '' && Number.isFinite(number) && number > 0) return number;
  throw new InvalidArgumentError('Use a number of seconds above 0.');
}

function sensors(value: string): SensorChoice {
  const choice = parseSensorChoice(value);
  if (choice !== null) return choice;
  throw new InvalidArgumentError('Use auto, none, or recorded:FILE.');
}

function nothingMeasured(path: string): TokenworkError {
  return new TokenworkError(
    'nothing-measured',
    'Every request failed, so nothing was measured.',
    `The result in ${path} gives the reason of each.`,
  );
}

function together(one: string, other: string): TokenworkError {
  return new TokenworkError(
    'bad-option',
    `${one} and ${other} cannot be given together.`,
    `Leave out one of them.`,
  );
}
