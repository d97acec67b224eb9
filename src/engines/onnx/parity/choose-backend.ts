import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../../../core/errors.js';
import { log } from '../../../core/log.js';
import { askBounded } from '../../../sensors/bounded-child.js';
import { childErrorSchema, withoutAnswer } from '../../child-failure.js';
import type { OnnxOptions } from '../../engine.js';
import type { DecoderModel } from '../open-decoder.js';
import { type BackendChoice, compareBackends } from './compare-logits.js';

/** Before the answer on the child's stdout. */
export const answerMark = 'tokenwork-back-ends:';
const answerSchema = z.union([
  z.object({ error: childErrorSchema }),
  z.object({
    choice: z.custom<BackendChoice>((choice) => typeof choice === 'object' && choice !== null),
  }),
]);
export type ComparisonAnswer = z.infer<typeof answerSchema>;
/** What the child reads from its standard input. */
export interface ComparisonTask {
  model: DecoderModel;
  options: OnnxOptions;
}

// A child loads no TypeScript: where the sources run (tests), the build stands in for them.
const childFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts')
      ? '../../../../dist/engines/onnx/parity/compare-backends.js'
      : './compare-backends.js',
    import.meta.url,
  ),
);

interface Comparing {
  withinMs: number;
  signal?: AbortSignal | undefined;
  /** The child, for tests. */
  file?: string;
}

/**
 * How long comparing may take: a minute, and 20 ms for each million parameters, which are read twice from disk and
 * passed through ten times. A slow machine does that at a tenth of it.
 */
export const comparedWithinMs = (parameters: number): number => 60_000 + (20 * parameters) / 1e6;

/**
 * Decides which back end a run uses for a model, by comparing both. That happens in a child process: a graph with
 * slow operators would keep this thread, which hears signals. Where the child gives no answer in time, or dies, the
 * Node binding is taken, which is what the native back end is held against, with the warning `backend-unchecked`.
 * Throws what opening and running the model throw, and the signal's reason.
 */
export async function chooseBackend(
  model: DecoderModel,
  options: OnnxOptions,
  { withinMs, signal, file = childFile }: Comparing,
): Promise<BackendChoice> {
  // A GPU is held against the CPU before, by the same back end, and opening it here would load it twice.
  if (options.device !== undefined && options.device !== 'cpu')
    return {
      backend: 'native',
      reason: 'the C API keeps tensors on the GPU',
      parity: null,
      warnings: [],
    };
  // One that was asked for is opened, and nothing compared.
  if (options.backend !== 'auto') return compareBackends(model, options);
  const { onnxPath, decoder, contextLength } = model;
  const task: ComparisonTask = { model: { onnxPath, decoder, contextLength }, options };
  const { answer, ended } = await askBounded([process.execPath, file], answerMark, {
    withinMs,
    signal,
    input: JSON.stringify(task),
  });
  for (const line of ended.stderr.split('\n').filter(Boolean)) log('comparing the back ends: %s', line);
  if (answer === null) return unchecked(withoutAnswer(ended, 'running the model', withinMs));
  const told = readAnswer(answer);
  if ('choice' in told) return told.choice;
  const { code, message, hint } = told.error;
  throw new TokenworkError(code, message, hint);
}

/** A difference without bound is no number in JSON. */
export const writeAnswer = (answer: ComparisonAnswer): string =>
  JSON.stringify(answer, (_key, value) => (value === Number.POSITIVE_INFINITY ? 'Infinity' : value));

function readAnswer(answer: string): ComparisonAnswer {
  return answerSchema.parse(
    JSON.parse(answer, (key, value) => (key === 'maxAbsDifference' ? Number(value) : value)),
  );
}

function unchecked(why: string): BackendChoice {
  const message = `The back ends were not held against each other: ${why}.`;
  const hint =
    'The Node binding is used, which copies the KV cache at every step. To measure the native back end unchecked: --backend native.';
  return {
    backend: 'node',
    reason: message,
    parity: null,
    warnings: [{ code: 'backend-unchecked', message, hint }],
  };
}

/** What is told of an error that has no code. */
export function errorAnswer(thrown: unknown): ComparisonAnswer {
  const { code, message, hint } =
    thrown instanceof TokenworkError
      ? thrown
      : {
          code: 'engine-failed' as const,
          message: `The back ends of the model cannot be compared: ${messageOf(thrown)}.`,
          hint: 'Choose one with --backend.',
        };
  return { error: { code, message, hint } };
}
