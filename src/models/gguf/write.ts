import { findBlockTypeNamed } from './block-types.js';

/** A value of the metadata, under the name of its type. */
export type GgufField =
  | { uint32: number }
  | { float32: number }
  | { bool: boolean }
  | { string: string }
  | { strings: readonly string[] }
  | { int32s: readonly number[] };

/** A tensor to be written. */
export interface GgufSource {
  name: string;
  /** Fastest dimension first: a row has `shape[0]` elements. */
  shape: readonly number[];
  /** ggml's name of its block type: `F16`, `Q4_0` … */
  type: string;
  /** Its bytes, in chunks that are valid until the next is asked for. */
  chunks: () => Iterable<Uint8Array>;
}

const version = 3;
/** Of the data's start and of every tensor in it: the format's default, `general.alignment` otherwise. */
const alignment = 32;
/** The format's numbers of types. */
const typeIds = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

/** Bytes of a tensor's data. */
export function ggufBytes({ shape, type }: Pick<GgufSource, 'shape' | 'type'>): number {
  const block = findBlockTypeNamed(type);
  const elements = shape.reduce((product, dim) => product * dim, 1);
  return (elements / block.elements) * block.bytes;
}

/**
 * A GGUF file (version 3, little-endian) in chunks, each valid until the next is asked for: header, metadata, the table
 * of tensors, then their data as it comes. See docs/gguf.md of ggml.
 */
export function* ggufFile(
  fields: Readonly<Record<string, GgufField>>,
  tensors: readonly GgufSource[],
): Generator<Uint8Array> {
  const { header } = ggufLayout(fields, tensors);
  yield header;
  yield* padding(header.length);
  for (const tensor of tensors) {
    yield* tensor.chunks();
    yield* padding(ggufBytes(tensor));
  }
}

/** The beginning of a GGUF file, where each tensor's data starts in it, and its length; zeros lie between them. */
export function ggufLayout(
  fields: Readonly<Record<string, GgufField>>,
  tensors: readonly Pick<GgufSource, 'name' | 'shape' | 'type'>[],
): { header: Uint8Array; starts: number[]; length: number } {
  const entries = Object.entries(fields);
  const parts = [Buffer.from('GGUF'), uint32(version), uint64(tensors.length), uint64(entries.length)];
  for (const [key, field] of entries) parts.push(text(key), Buffer.concat(typed(field)));
  const offsets: number[] = [];
  let end = 0;
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    parts.push(text(name), uint32(shape.length), ...shape.map(uint64));
    parts.push(uint32(findBlockTypeNamed(type).id), uint64(end));
    offsets.push(end);
    end = aligned(end + ggufBytes(tensor));
  }
  const header = Buffer.concat(parts);
  const data = aligned(header.length);
  return { header, starts: offsets.map((offset) => data + offset), length: data + end };
}

function typed(field: GgufField): Buffer[] {
  if ('uint32' in field) return [uint32(typeIds.uint32), uint32(field.uint32)];
  if ('float32' in field) return [uint32(typeIds.float32), float32(field.float32)];
  if ('bool' in field) return [uint32(typeIds.bool), Buffer.of(field.bool ? 1 : 0)];
  if ('string' in field) return [uint32(typeIds.string), text(field.string)];
  const array = (type: number, length: number) => [uint32(typeIds.array), uint32(type), uint64(length)];
  if ('strings' in field) return [...array(typeIds.string, field.strings.length), ...field.strings.map(text)];
  const values = Buffer.alloc(4 * field.int32s.length);
  field.int32s.forEach((value, index) => {
    values.writeInt32LE(value, 4 * index);
  });
  return [...array(typeIds.int32, field.int32s.length), values];
}

function* padding(length: number): Generator<Uint8Array> {
  const missing = aligned(length) - length;
  if (missing > 0) yield new Uint8Array(missing);
}

function aligned(position: number): number {
  return Math.ceil(position / alignment) * alignment;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
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

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
