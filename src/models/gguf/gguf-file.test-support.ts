import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import type { Recipe } from '../recipe.js';

/** A tensor of a file to write: ggml's number of its type, its shape fastest dimension first, its bytes. */
export interface TestTensor {
  name: string;
  type: number;
  shape: number[];
  bytes: number;
}

type Field = string | number | string[];

const alignment = 32;
const ids = { uint32: 4, float32: 6, string: 8, array: 9 };

/**
 * Writes a GGUF file (version 3) by the format's description. Tensor data is a hole in the file and reads as zeros, but for
 * the first byte of the tensors that are `marked`.
 */
export function writeGguf(
  path: string,
  fields: Record<string, Field>,
  tensors: readonly TestTensor[],
  marked: readonly string[] = ['output.weight'],
): void {
  const marks: number[] = [];
  let offset = 0;
  const infos = tensors.map(({ name, type, shape, bytes }) => {
    if (marked.includes(name)) marks.push(offset);
    const info = Buffer.concat([
      text(name),
      uint32(shape.length),
      ...shape.map(uint64),
      uint32(type),
      uint64(offset),
    ]);
    offset = aligned(offset + bytes);
    return info;
  });
  const entries = Object.entries(fields);
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(3),
    uint64(tensors.length),
    uint64(entries.length),
    ...entries.map(([key, value]) => Buffer.concat([text(key), typed(value)])),
    ...infos,
  ]);
  writeFileSync(path, header);
  truncateSync(path, aligned(header.length) + offset);
  const file = openSync(path, 'r+');
  for (const mark of marks) writeSync(file, Buffer.of(1), 0, 1, aligned(header.length) + mark);
  closeSync(file);
}

function aligned(position: number): number {
  return Math.ceil(position / alignment) * alignment;
}

function typed(value: Field): Buffer {
  if (typeof value === 'string') return Buffer.concat([uint32(ids.string), text(value)]);
  if (Array.isArray(value)) {
    return Buffer.concat([uint32(ids.array), uint32(ids.string), uint64(value.length), ...value.map(text)]);
  }
  if (Number.isInteger(value)) return Buffer.concat([uint32(ids.uint32), uint32(value)]);
  const float = Buffer.alloc(4);
  float.writeFloatLE(value);
  return Buffer.concat([uint32(ids.float32), float]);
}

function text(value: string): Buffer {
  return Buffer.concat([uint64(Buffer.byteLength(value)), Buffer.from(value)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Types of what matrices are written in; norms stay F32. */
export const matrixTypes = {
  F16: { type: 1, bytesPerElement: 2 },
  Q8_0: { type: 8, bytesPerElement: 34 / 32 },
  Q4_0: { type: 2, bytesPerElement: 18 / 32 },
} as const;

/** The tensors of a decoder of Llama's family, as llama.cpp names them. */
export function llamaTensors(recipe: Recipe, dtype: keyof typeof matrixTypes): TestTensor[] {
  const { hiddenSize, intermediateSize, vocabulary, layers, heads, kvHeads, headDim, mixture } = recipe;
  const { type, bytesPerElement } = matrixTypes[dtype];
  const matrix = (name: string, ...shape: number[]): TestTensor => ({
    ...{ name, type, shape },
    bytes: shape.reduce((product, dim) => product * dim, 1) * bytesPerElement,
  });
  const vector = (name: string, length: number): TestTensor => ({
    name,
    type: 0,
    shape: [length],
    bytes: 4 * length,
  });
  const feedForward = (at: string): TestTensor[] => {
    if (mixture === null) {
      return [
        matrix(`${at}.ffn_gate.weight`, hiddenSize, intermediateSize),
        matrix(`${at}.ffn_up.weight`, hiddenSize, intermediateSize),
        matrix(`${at}.ffn_down.weight`, intermediateSize, hiddenSize),
      ];
    }
    const { experts, expertSize } = mixture;
    const router = [hiddenSize, experts];
    return [
      { name: `${at}.ffn_gate_inp.weight`, type: 0, shape: router, bytes: 4 * hiddenSize * experts },
      matrix(`${at}.ffn_gate_exps.weight`, hiddenSize, expertSize, experts),
      matrix(`${at}.ffn_up_exps.weight`, hiddenSize, expertSize, experts),
      matrix(`${at}.ffn_down_exps.weight`, expertSize, hiddenSize, experts),
    ];
  };
  return [
    matrix('token_embd.weight', hiddenSize, vocabulary),
    vector('output_norm.weight', hiddenSize),
    ...(recipe.tiedEmbeddings ? [] : [matrix('output.weight', hiddenSize, vocabulary)]),
    ...Array.from({ length: layers }, (_, index) => `blk.${index}`).flatMap((at) => [
      vector(`${at}.attn_norm.weight`, hiddenSize),
      matrix(`${at}.attn_q.weight`, hiddenSize, heads * headDim),
      matrix(`${at}.attn_k.weight`, hiddenSize, kvHeads * headDim),
      matrix(`${at}.attn_v.weight`, hiddenSize, kvHeads * headDim),
      matrix(`${at}.attn_output.weight`, heads * headDim, hiddenSize),
      vector(`${at}.ffn_norm.weight`, hiddenSize),
      ...feedForward(at),
    ]),
  ];
}

/** The metadata of such a decoder. */
export function llamaFields(recipe: Recipe): Record<string, Field> {
  return {
    'general.architecture': 'llama',
    'llama.block_count': recipe.layers,
    'llama.context_length': recipe.contextLength,
    'llama.embedding_length': recipe.hiddenSize,
    'llama.feed_forward_length': recipe.mixture?.expertSize ?? recipe.intermediateSize,
    'llama.attention.head_count': recipe.heads,
    'llama.attention.head_count_kv': recipe.kvHeads,
    'llama.attention.layer_norm_rms_epsilon': 0.00001,
    ...(recipe.mixture && {
      'llama.expert_count': recipe.mixture.experts,
      'llama.expert_used_count': recipe.mixture.expertsPerToken,
    }),
  };
}
