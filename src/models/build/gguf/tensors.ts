import type { GgufSource } from '../../gguf/write.js';
import { widenHalf } from '../../half.js';
import type { Recipe } from '../../recipe.js';
import { writeDecoder } from '../decoder.js';
import { defaultGraphVariant } from '../graph-variant.js';
import { elementType, type TensorSpec } from '../tensor.js';
import { quantise } from './quantise.js';
import { alternateHalves, interleavedRow, type RowRange, storedHalves, transposedHalves } from './rows.js';

/** Types that matrices are written in; vectors, routers and learned positions are F32, as llama.cpp's own files have them. */
export type MatrixType = 'F32' | 'F16' | 'Q8_0' | 'Q4_0';

/** How a tensor of the graph is laid out: `transposed` where the graph has [inputs, outputs]. */
type Layout = 'stored' | 'transposed' | 'rotated' | 'vector';

/** Tensors outside of the layers, by their names in the graph without `.weight` or `.bias`. */
const edges: ReadonlyMap<string, readonly [name: string, layout: Layout]> = new Map([
  ['model.embed_tokens', ['token_embd', 'stored']],
  ['model.embed_positions', ['position_embd', 'vector']],
  ['model.norm', ['output_norm', 'vector']],
  ['lm_head', ['output', 'transposed']],
]);

/** Tensors of a layer, by their names in it; experts' gates and ups are one tensor there and two here. */
const inLayer: ReadonlyMap<string, readonly [name: string, layout: Layout]> = new Map([
  ['input_layernorm', ['attn_norm', 'vector']],
  ['post_attention_layernorm', ['ffn_norm', 'vector']],
  ['self_attn.q_proj', ['attn_q', 'rotated']],
  ['self_attn.k_proj', ['attn_k', 'rotated']],
  ['self_attn.v_proj', ['attn_v', 'transposed']],
  ['self_attn.qkv_proj', ['attn_qkv', 'transposed']],
  ['self_attn.q_norm', ['attn_q_norm', 'vector']],
  ['self_attn.k_norm', ['attn_k_norm', 'vector']],
  ['self_attn.o_proj', ['attn_output', 'transposed']],
  ['mlp.gate_proj', ['ffn_gate', 'transposed']],
  ['mlp.up_proj', ['ffn_up', 'transposed']],
  ['mlp.down_proj', ['ffn_down', 'transposed']],
  ['mlp.c_fc', ['ffn_up', 'transposed']],
  ['mlp.c_proj', ['ffn_down', 'transposed']],
  ['mlp.gate', ['ffn_gate_inp', 'transposed']],
  ['mlp.experts.gate_up_proj', ['ffn_gate_exps', 'stored']],
  ['mlp.experts.down_proj', ['ffn_down_exps', 'stored']],
  ['mlp.shared_expert.gate_proj', ['ffn_gate_shexp', 'transposed']],
  ['mlp.shared_expert.up_proj', ['ffn_up_shexp', 'transposed']],
  ['mlp.shared_expert.down_proj', ['ffn_down_shexp', 'transposed']],
  ['mlp.shared_expert_gate', ['ffn_gate_inp_shexp', 'vector']],
]);

/** Matrices that are no product's quantised side. */
const inF32 = new Set(['ffn_gate_inp']);

/** A tensor to be written, whole or some of its rows: as many of `shape[0]` elements as the rest of its shape says. */
export interface RowSource extends GgufSource {
  chunks: (rows?: RowRange) => Generator<Uint8Array>;
}

/** How a recipe is written. */
export interface TensorTarget {
  type: MatrixType;
  seed: number;
  interleaved: boolean;
}

/**
 * The tensors of a recipe as llama.cpp names and lays them out. Their numbers are those of the recipe's ONNX decoder in
 * fp16, tensor by tensor, widened or quantised from there where `type` says so. A matrix whose rows are no multiple of 32 is F16.
 */
export function ggufTensors(recipe: Recipe, { type, seed, interleaved }: TensorTarget): RowSource[] {
  const { tensors } = writeDecoder(recipe, { dtype: 'fp16', graphVariant: defaultGraphVariant(recipe) });
  const weights = tensors.filter(
    ({ dataType, fill }) => dataType === elementType.float16 && fill.kind === 'uniform',
  );
  return weights.flatMap((tensor): RowSource[] => {
    const { name, layout } = placeOf(tensor);
    const { dims } = tensor;
    const order = layout === 'rotated' && interleaved ? interleavedRow(recipe.headDim) : undefined;
    const transposed = (of: TensorSpec) => (rows: RowRange) =>
      transposedHalves(of, seed, order ?? ((row) => row), rows);
    if (layout === 'vector' || dims.length === 1) {
      const shape = dims.length === 2 && dims[1]! > 1 ? [dims[1]!, dims[0]!] : [dims[0]!];
      // A vector is a matrix of one row, or in another order one of one input.
      const halves = (rows: RowRange) =>
        order
          ? transposed({ ...tensor, dims: [1, dims[0]!] })({ from: 0, to: dims[0]! })
          : storedHalves({ ...tensor, dims: shape.toReversed() }, seed, rows);
      return [rowSource(name, shape, 'F32', halves)];
    }
    const matrix = (as: string, shape: number[], halves: HalvesOf): RowSource => {
      const wanted = inF32.has(as.split('.').at(-2)!) ? 'F32' : type;
      return rowSource(as, shape, shape[0]! % 32 === 0 || wanted === 'F32' ? wanted : 'F16', halves);
    };
    if (name.includes('.ffn_gate_exps.')) {
      const [experts, rows, inputs] = dims as [number, number, number];
      const part = (as: string, parity: 0 | 1) =>
        matrix(as, [inputs, rows / 2, experts], (range) => alternateHalves(tensor, seed, parity, range));
      return [part(name, 0), part(name.replace('gate', 'up'), 1)];
    }
    if (layout === 'stored')
      return [matrix(name, dims.toReversed(), (range) => storedHalves(tensor, seed, range))];
    return [matrix(name, dims.slice(), transposed(tensor))];
  });
}

type HalvesOf = (rows: RowRange) => Generator<Uint16Array>;

function rowSource(name: string, shape: number[], type: MatrixType, halves: HalvesOf): RowSource {
  const whole = { from: 0, to: rowCount(shape) };
  return {
    ...{ name, shape, type },
    chunks: (rows = whole) => (type === 'F32' ? widened(halves(rows)) : quantised(halves(rows), type)),
  };
}

/** Rows of a tensor of that shape, fastest dimension first. */
export function rowCount(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, dim) => product * dim, 1);
}

function placeOf({ name }: TensorSpec): { name: string; layout: Layout } {
  const [, layer, module, part] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  const [own, layout] = (layer === undefined ? edges : inLayer).get(module!)!;
  return { name: `${layer === undefined ? '' : `blk.${layer}.`}${own}.${part}`, layout };
}

function* widened(chunks: Iterable<Uint16Array>): Generator<Uint8Array> {
  for (const halves of chunks) {
    const floats = new Float32Array(halves.length);
    widenHalf(halves, floats);
    yield new Uint8Array(floats.buffer);
  }
}

function* quantised(chunks: Iterable<Uint16Array>, type: Exclude<MatrixType, 'F32'>): Generator<Uint8Array> {
  for (const halves of chunks) yield quantise(halves, type);
}
