import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { ErrorCode } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { deviceParitySchema } from '../../core/records/model.js';
import { askBounded, type EndedChild } from '../../sensors/bounded-child.js';
import {
  type CheckedReads,
  type CheckedSteps,
  compareSteps,
  type DeviceCheck,
  runSteps,
} from '../checked-steps.js';
import { childErrorSchema, withoutAnswer } from '../child-failure.js';
import type { LlamaDevice } from '../engine.js';
import { LlamaDecoder, type LlamaDecoderModel } from './decoder.js';
import { LlamaEncoder, type LlamaEncoderModel } from './encoder.js';

/** Before the answer on the child's stdout. */
export const answerMark = 'tokenwork-gguf:';
const answerSchema = z.union([
  z.object({ error: childErrorSchema }),
  z.object({ parity: deviceParitySchema.nullable() }),
]);
export type CheckAnswer = z.infer<typeof answerSchema>;

/** What the child reads from its standard input. */
type CheckTask = DecoderTask | EncoderTask;

interface DecoderTask extends CheckedReads {
  model: LlamaDecoderModel & { dtype: string; graphVariant: string };
  device: LlamaDevice;
  /** Whether a GPU is held against the CPU. */
  withReference: boolean;
}

/** Of an encoder, which runs on the CPU. */
interface EncoderTask {
  encoder: LlamaEncoderModel;
}

// A child loads no TypeScript: where the sources run (tests), the build stands in for them.
const childFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/engines/llama/check-model.js' : './check-model.js',
    import.meta.url,
  ),
);
const mostThreads = 8;
const triedTokens = 40;

/**
 * A minute, and 40 ms for each million parameters: they are read twice from disk, and passed through twenty times. On a
 * GPU five minutes: its driver compiles a shader for every kind of operation, a software one on the CPU.
 */
export const checkedWithinMs = (parameters: number, device: LlamaDevice): number =>
  (device === 'cpu' ? 60_000 : 300_000) + (40 * parameters) / 1e6;

/**
 * Loads a model on its device and runs it in short, in a process of its own: llama.cpp ends the process on some
 * files, and where a GPU's memory runs out. On a GPU the logits are held against the CPU's. Throws TokenworkError
 * as `LlamaDecoder` does, `model-load-failed` where the process ended, and the signal's reason.
 */
export async function checkModel(
  task: CheckTask,
  {
    withinMs,
    signal,
    file = childFile,
  }: { withinMs: number; signal?: AbortSignal | undefined; file?: string },
): Promise<DeviceCheck | null> {
  const { answer, ended } = await askBounded([process.execPath, file], answerMark, {
    withinMs,
    signal,
    input: JSON.stringify(task),
  });
  const path = ('encoder' in task ? task.encoder : task.model).paths[0]!;
  log('check of %s: %s', path, answer ?? ended.stderr.slice(-2000));
  if (answer === null)
    throw new TokenworkError(
      'model-load-failed',
      `llama.cpp does not run ${path}: ${withoutAnswer(ended, 'running it', withinMs)}.`,
      'See whether memory is enough and whether the file is whole, or take another quantisation.',
    );
  const told = answerSchema.parse(JSON.parse(answer));
  if ('parity' in told) {
    const { parity } = told;
    return parity && { parity, placement: null, ...offloadedIn(ended) };
  }
  const { code, message, hint } = told.error;
  const why = explained.has(code) ? reasonIn(ended) : null;
  throw new TokenworkError(code, why ? `${message.replace(/\.$/, '')}: ${why}.` : message, hint);
}

/** The layers that llama.cpp said it put on the GPU, the last time that it loaded the model. */
function offloadedIn({ stderr }: EndedChild): Pick<DeviceCheck, 'offloadedLayers'> {
  const said = [...stderr.matchAll(/offloaded (\d+)\/(\d+) layers to GPU/g)].at(-1);
  return said ? { offloadedLayers: { device: Number(said[1]), all: Number(said[2]) } } : {};
}

/** Codes of errors that llama.cpp itself can explain. */
const explained = new Set<ErrorCode>(['model-load-failed', 'device-out-of-memory', 'engine-failed']);

/** The error that llama.cpp wrote, the last one and without where in its code it arose. */
function reasonIn({ stderr }: EndedChild): string | null {
  const errors = stderr.split('\n').filter((line) => /error|failed|cannot|unable/i.test(line));
  const told = errors.find((line) => /error loading model/i.test(line)) ?? errors.at(-1);
  return (
    told
      ?.replace(/^[\w:]+: (?:error loading model: |error: )?/, '')
      .trim()
      .replace(/\.$/, '') || null
  );
}

/** What the child does. Throws what opening and running the model throw. */
export async function check(task: CheckTask): Promise<CheckAnswer> {
  if ('encoder' in task) {
    const encoder = new LlamaEncoder(task.encoder, { threads: 1, device: 'cpu' });
    // Of several lengths, none longer than it reads.
    for (const length of [1, Math.min(triedTokens, encoder.contextLength)])
      await encoder.embed([new Array(length).fill(0), [0]]);
    encoder.close();
    return { parity: null };
  }
  const { model, device, withReference, ...reads } = task;
  if (device === 'cpu') {
    await stepsOn(new LlamaDecoder(model, { threads: 1, device }), reads);
    return { parity: null };
  }
  const threads = Math.min(mostThreads, availableParallelism());
  const reference = withReference
    ? await stepsOn(new LlamaDecoder(model, { threads, device: 'cpu' }), reads)
    : null;
  const steps = await stepsOn(new LlamaDecoder(model, { threads: 1, device }), reads);
  return { parity: compareSteps(steps, reference, model) };
}

async function stepsOn(decoder: LlamaDecoder, reads: CheckedReads): Promise<CheckedSteps> {
  try {
    return await runSteps(decoder, reads, undefined);
  } finally {
    decoder.close();
  }
}
