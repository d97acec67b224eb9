import { contrib } from './graph-builder.js';
import { pathOf, type WeightWriter, type Writer } from './linear.js';
import { floatTypeOf } from './tensor.js';

/** The residual stream, and what the last block adds to it once it is next read. */
export interface Stream {
  residual: string;
  branch: string | null;
}

/**
 * Adds the pending branch to the residual stream and normalises the sum (LayerNorm for GPT-2, RMS norm
 * otherwise). All but the standard graph variant do both in one node, as exported models do.
 */
export function normalise(
  writer: Writer,
  module: string,
  stream: Stream,
): { normed: string; residual: string } {
  const { graph, recipe, graphVariant } = writer;
  const path = pathOf(module);
  const layerNorm = recipe.architecture === 'gpt2';
  const gains = gainsOf(writer, module, recipe.hiddenSize, layerNorm);
  if (stream.branch !== null && graphVariant !== 'standard') {
    const opType = layerNorm ? 'SkipLayerNormalization' : 'SkipSimplifiedLayerNormalization';
    const [normed, residual] = [`${path}/output_0`, `${path}/residual`];
    graph.node(opType, `${path}/${opType}`, [stream.residual, stream.branch, ...gains], {
      domain: contrib,
      attributes: { epsilon: { float: recipe.normEpsilon } },
      outputs: [normed, '', '', residual],
    });
    return { normed, residual };
  }
  const residual =
    stream.branch === null
      ? stream.residual
      : graph.node('Add', `${path}/Add`, [stream.residual, stream.branch]);
  return { normed: normNode(writer, path, residual, gains), residual };
}

/** RMS norm over the last axis of `input`, of `size` elements. */
export function rmsNorm(writer: Writer, module: string, input: string, size: number): string {
  return normNode(writer, pathOf(module), input, gainsOf(writer, module, size, false));
}

function normNode(
  { graph, recipe, graphVariant }: Writer,
  path: string,
  input: string,
  gains: string[],
): string {
  const attributes = { axis: { int: -1 }, epsilon: { float: recipe.normEpsilon } };
  const rms = graphVariant === 'standard' ? 'RMSNormalization' : 'SimplifiedLayerNormalization';
  const opType = gains.length === 2 ? 'LayerNormalization' : rms;
  return graph.node(opType, `${path}/${opType}`, [input, ...gains], { attributes });
}

/** The gains of a norm, and with `bias` its offsets. */
export function gainsOf(
  { graph, dtype }: WeightWriter,
  module: string,
  size: number,
  bias: boolean,
): string[] {
  const type = floatTypeOf(dtype);
  const weight = graph.tensor(`${module}.weight`, [size], type, { kind: 'uniform', low: 0.9, high: 1.1 });
  if (!bias) return [weight];
  return [weight, graph.tensor(`${module}.bias`, [size], type, { kind: 'uniform', low: -0.1, high: 0.1 })];
}
