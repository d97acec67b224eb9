import type { TokenworkError } from '../core/errors.js';
import type { ValueInfoProto } from './onnx/proto.js';

/** Element types a model's float and integer tensors may have at its edges. */
export type CacheDtype = 'fp32' | 'fp16';
export type IndexDtype = 'int32' | 'int64';

/** A graph input of integers. */
export interface IndexInput {
  name: string;
  dtype: IndexDtype;
  /** Number of dimensions the graph declares. */
  rank: number;
}

const elementTypes = new Map<number, string>([
  [1, 'fp32'],
  [6, 'int32'],
  [7, 'int64'],
  [10, 'fp16'],
]);

/** An input of integers; null where the graph has none of that name. `refuse` makes the error to throw. */
export function indexInputOf(
  info: ValueInfoProto | undefined,
  refuse: (why: string) => TokenworkError,
): IndexInput | null {
  if (!info) return null;
  const dtype = elementTypes.get(info.type?.tensorType?.elemType ?? 0);
  if (dtype !== 'int64' && dtype !== 'int32') throw refuse(`input ${info.name} is not of integers`);
  return { name: info.name, dtype, rank: info.type?.tensorType?.shape?.dim?.length ?? 0 };
}

/** The number format of an input or output. */
export function floatDtypeOf(info: ValueInfoProto, refuse: (why: string) => TokenworkError): CacheDtype {
  const dtype = elementTypes.get(info.type?.tensorType?.elemType ?? 0);
  if (dtype !== 'fp32' && dtype !== 'fp16') throw refuse(`${info.name} is neither fp32 nor fp16`);
  return dtype;
}
