import { didYouMean } from '../core/did-you-mean.js';
import { TokenworkError } from '../core/errors.js';
import {
  type DecoderFlopsReport,
  describeDecoderFlops,
  describeEncoderFlops,
  describeGraphFlops,
  type FlopsReport,
} from './cost/describe-flops.js';
import { describeModel, type ModelDescription } from './describe-model.js';
import type { ResolveOptions } from './resolve.js';

/** A forward pass to count. */
export interface ForwardPass {
  /** New positions of each row; 128 by default. */
  promptTokens?: number | undefined;
  /** Positions that are in the KV cache already; 0 by default. */
  pastTokens?: number | undefined;
  /** Rows; 1 by default. */
  batch?: number | undefined;
  /** Shapes of the inputs of any ONNX graph, by name; the other sizes are not read then. */
  shapes?: Record<string, number[]> | undefined;
  /** Values of a graph's inputs, by name, where they decide what runs; their sizes are not read then. */
  values?: ReadonlyMap<string, readonly number[]> | undefined;
}

const optionNames = Object.keys({
  promptTokens: true,
  pastTokens: true,
  batch: true,
  shapes: true,
  values: true,
  dtype: true,
  graphVariant: true,
  seed: true,
  cacheDirectory: true,
  onProgress: true,
  signal: true,
} satisfies Record<keyof (ForwardPass & ResolveOptions), true>);

/**
 * Counts one forward pass of the model that a spec names. Throws TokenworkError `bad-option` for what is no option,
 * and as `describeModel` and `countPass` do.
 */
export async function countModel(
  spec: string,
  { promptTokens, pastTokens, batch, shapes, values, ...resolving }: ForwardPass & ResolveOptions,
): Promise<FlopsReport | DecoderFlopsReport> {
  if (typeof spec !== 'string')
    throw new TokenworkError(
      'bad-option',
      `A model is named by a text, not by ${typeof spec}.`,
      "Such as 'tiny'.",
    );
  for (const name of Object.keys(resolving)) {
    if (optionNames.includes(name)) continue;
    const hint = `${didYouMean(name, optionNames)} Options: ${optionNames.join(', ')}.`.trim();
    throw new TokenworkError('bad-option', `There is no option "${name}" of counting.`, hint);
  }
  return countPass(await describeModel(spec, resolving), { promptTokens, pastTokens, batch, shapes, values });
}

/**
 * Counts one forward pass of a described model. Throws TokenworkError `shape-needed` for a graph that is neither
 * a decoder nor an encoder where `shapes` are left out, or `bad-step`.
 */
export function countPass(model: ModelDescription, pass: ForwardPass): FlopsReport | DecoderFlopsReport {
  const report = reportOf(model, pass);
  return { ...report, warnings: [...model.notices, ...report.warnings] };
}

function reportOf(
  { id, graph, decoder, encoder, cost }: ModelDescription,
  { promptTokens = 128, pastTokens = 0, batch = 1, shapes, values }: ForwardPass,
): FlopsReport | DecoderFlopsReport {
  if (shapes !== undefined || values !== undefined)
    return describeGraphFlops({ id, graph }, shapes ?? {}, values);
  const step = { batch, newTokens: promptTokens, pastTokens };
  if (decoder && cost) return describeDecoderFlops({ id, graph, decoder, cost }, step);
  if (encoder && cost) return describeEncoderFlops({ id, graph, encoder, cost }, step);
  const inputs = (graph.graph.input ?? []).map(({ name }) => name);
  throw new TokenworkError(
    'shape-needed',
    `${id} is neither a decoder with a KV cache nor an encoder of texts, so its input shapes must be given.`,
    `Add --shape NAME=D1,D2,… for its inputs: ${inputs.join(', ')}.`,
  );
}
