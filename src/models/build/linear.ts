import type { Dtype } from '../dtype.js';
import type { Recipe } from '../recipe.js';
import { contrib, type GraphBuilder } from './graph-builder.js';
import type { GraphVariant } from './graph-variant.js';
import { elementType, type Fill, floatTypeOf } from './tensor.js';

/** Tools that weights are written with. */
export interface WeightWriter {
  graph: GraphBuilder;
  dtype: Dtype;
}

/** Tools that every part of a decoder is written with. */
export interface Writer extends WeightWriter {
  recipe: Recipe;
  graphVariant: GraphVariant;
}

/** Weights per quantisation block; each block has one fp32 scale. */
export const blockSize = 32;

/** Standard deviations of the codes of a `nibbles` and a `bytes` tensor about their zero points 8 and 128. */
const codeDeviation = { 4: Math.sqrt(17.5), 8: Math.sqrt((2 ** 16 - 1) / 12) } as const;

/** Uniform weights of variance 1/fan-in: activations, and with them logits, keep unit variance. */
export function uniformFor(fanIn: number): Fill {
  const limit = Math.sqrt(3 / fanIn);
  return { kind: 'uniform', low: -limit, high: limit };
}

/** Scales that give quantised weights that same variance, 10% to either side as trained ones differ. */
export function scalesFor(fanIn: number, bits: 4 | 8): Fill {
  const scale = 1 / (Math.sqrt(fanIn) * codeDeviation[bits]);
  return { kind: 'uniform', low: 0.9 * scale, high: 1.1 * scale };
}

/** Bits a weight of a matrix product is stored in. */
export function quantisedBits(dtype: Dtype): 4 | 8 | null {
  return dtype === 'q4' ? 4 : dtype === 'int8' ? 8 : null;
}

interface Linear {
  /** The module's name in Hugging Face's naming, e.g. `model.layers.0.mlp.up_proj`. */
  module: string;
  input: string;
  inputSize: number;
  outputSize: number;
  bias?: boolean;
  /** False for small matrices that exports leave unquantised, such as routers. */
  quantise?: boolean;
  /** The result's name; by default that of the node. */
  output?: string;
}

/** A matrix product with weights of the model's dtype: [.., inputSize] to [.., outputSize]. */
export function linear(writer: WeightWriter, options: Linear): string {
  const { graph, dtype } = writer;
  const { module, outputSize, bias = false, output } = options;
  const bits = options.quantise === false ? null : quantisedBits(dtype);
  const unnamed = bias ? { ...options, output: undefined } : options;
  const product = bits ? quantisedProduct(writer, unnamed, bits) : floatProduct(writer, unnamed);
  if (!bias) return product;
  const vector = graph.tensor(`${module}.bias`, [outputSize], floatTypeOf(dtype), {
    kind: 'uniform',
    low: -0.1,
    high: 0.1,
  });
  return graph.node('Add', `${pathOf(module)}/Add`, [product, vector], named(output));
}

function floatProduct({ graph, dtype }: WeightWriter, options: Linear): string {
  const { module, input, inputSize, outputSize } = options;
  const weight = graph.tensor(
    `${module}.weight`,
    [inputSize, outputSize],
    floatTypeOf(dtype),
    uniformFor(inputSize),
  );
  return graph.node('MatMul', `${pathOf(module)}/MatMul`, [input, weight], named(options.output));
}

/**
 * MatMulNBits, symmetric, as published q4 exports have it. `accuracy_level` 4 lets the CPU kernel quantise
 * the activations and multiply in int8.
 */
function quantisedProduct(
  { graph }: WeightWriter,
  { module, input, inputSize, outputSize, output }: Linear,
  bits: 4 | 8,
): string {
  const blocks = Math.ceil(inputSize / blockSize);
  const weight = graph.tensor(
    `${module}.weight_q${bits}`,
    [outputSize, blocks, (blockSize * bits) / 8],
    elementType.uint8,
    { kind: bits === 4 ? 'nibbles' : 'bytes' },
  );
  const scales = graph.tensor(
    `${module}.weight_scales`,
    [outputSize, blocks],
    elementType.float,
    scalesFor(inputSize, bits),
  );
  return graph.node('MatMulNBits', `${pathOf(module)}/MatMulNBits`, [input, weight, scales], {
    ...named(output),
    domain: contrib,
    attributes: {
      K: { int: inputSize },
      N: { int: outputSize },
      bits: { int: bits },
      block_size: { int: blockSize },
      accuracy_level: { int: 4 },
    },
  });
}

function named(output: string | undefined): { outputs?: string[] } {
  return output === undefined ? {} : { outputs: [output] };
}

/** A module's name as a node path: `model.layers.0.mlp` is `/model/layers.0/mlp`. */
export function pathOf(module: string): string {
  return `/${module.replaceAll(/\.(?!\d)/g, '/')}`;
}
