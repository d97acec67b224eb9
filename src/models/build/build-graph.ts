import type { Dtype } from '../dtype.js';
import type { ModelProto, TensorProto } from '../onnx/proto.js';
import type { Recipe } from '../recipe.js';
import { opsetImports, writeDecoder } from './decoder.js';
import type { GraphBuilder } from './graph-builder.js';
import type { GraphVariant } from './graph-variant.js';
import { byteLength, type TensorSpec, tensorBytes } from './tensor.js';

export interface GraphOptions {
  dtype: Dtype;
  graphVariant: GraphVariant;
  seed: number;
  /** See `writeDecoder`. */
  keepsEarly?: boolean;
}

/** Decides where a tensor's bytes go: into the message, elsewhere, or nowhere. */
export type Store = (tensor: TensorSpec) => Pick<TensorProto, 'rawData' | 'externalData' | 'dataLocation'>;

/**
 * The decoder of a recipe. With `weights` false, initializers carry dims but no data, save the small
 * constants that are part of the graph's logic, so shapes of any size are counted without building them.
 * Throws TokenworkError `graph-variant-unsupported` where the graph variant's ops cannot express the recipe.
 */
export function buildGraph(recipe: Recipe, options: GraphOptions & { weights?: boolean }): ModelProto {
  return assemble(recipe, options, storeOf(options.seed, options.weights));
}

/** Keeps tensors in the message; with `weights` false only those that are part of the graph's logic. */
export function storeOf(seed: number, weights = true): Store {
  return (tensor) => (weights || tensor.fill.kind === 'values' ? { rawData: materialise(tensor, seed) } : {});
}

/** The decoder as a message whose tensors `store` has put where they belong, in order of the graph. */
export function assemble(recipe: Recipe, options: GraphOptions, store: Store): ModelProto {
  return modelOf(recipe.id, writeDecoder(recipe, options), opsetImports(options.graphVariant), store);
}

/** A written graph as a message. */
export function modelOf(
  name: string,
  graph: GraphBuilder,
  opsetImport: ModelProto['opsetImport'],
  store: Store,
): ModelProto {
  return {
    irVersion: 10,
    producerName: 'tokenwork',
    opsetImport,
    graph: {
      name,
      node: graph.nodes,
      input: graph.inputs,
      output: graph.outputs,
      initializer: graph.tensors.map((tensor) => ({
        name: tensor.name,
        dims: tensor.dims,
        dataType: tensor.dataType,
        ...store(tensor),
      })),
    },
  };
}

/** A tensor's bytes in one piece. */
export function materialise(tensor: TensorSpec, seed: number): Uint8Array {
  const bytes = new Uint8Array(byteLength(tensor));
  let offset = 0;
  for (const chunk of tensorBytes(tensor, seed)) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
