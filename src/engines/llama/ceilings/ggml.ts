/** The functions of ggml that build graphs and compute them, on the libraries that llama.cpp brought. */
import koffi, { type TypeObject } from 'koffi';
import { loadPinned } from '../../pinned-library.js';
import { type Address, llamaApi } from '../library.js';

const pointer = 'void *';
const initParams: TypeObject = koffi.struct({ mem_size: 'size_t', mem_buffer: pointer, no_alloc: 'bool' });

export interface GgmlApi {
  init(params: { mem_size: number; mem_buffer: null; no_alloc: boolean }): Address | null;
  free(context: Address): void;
  tensorOverhead(): number | bigint;
  graphOverhead(size: number, gradients: boolean): number | bigint;
  newMatrix(context: Address, type: number, inner: number, rows: number): Address;
  multiply(context: Address, weights: Address, x: Address): Address;
  copy(context: Address, from: Address, to: Address): Address;
  newGraph(context: Address, size: number, gradients: boolean): Address;
  expand(graph: Address, tensor: Address): void;
  bytes(tensor: Address): number | bigint;
  rowBytes(type: number, elements: number): number | bigint;
  quantise(
    type: number,
    source: Float32Array,
    target: Uint8Array,
    start: number,
    rows: number,
    rowElements: number,
    importance: Float32Array,
  ): number | bigint;
  openDevice(device: Address, params: null): Address | null;
  freeBackEnd(backEnd: Address): void;
  bufferType(device: Address): Address;
  largestBuffer(bufferType: Address): number | bigint;
  allocate(context: Address, bufferType: Address): Address | null;
  freeBuffer(buffer: Address): void;
  markBuffer(buffer: Address, usage: number): void;
  newAllocator(bufferType: Address): Address;
  allocateGraph(allocator: Address, graph: Address): boolean;
  freeAllocator(allocator: Address): void;
  supports(device: Address, operation: Address): boolean;
  write(tensor: Address, data: Uint8Array, offset: number, bytes: number): void;
  read(tensor: Address, data: Uint8Array, offset: number, bytes: number): void;
  compute(backEnd: Address, graph: Address): number;
}

const signatures: Record<keyof GgmlApi, [name: string, result: string, parameters: (string | TypeObject)[]]> =
  {
    init: ['ggml_init', pointer, [initParams]],
    free: ['ggml_free', 'void', [pointer]],
    tensorOverhead: ['ggml_tensor_overhead', 'size_t', []],
    graphOverhead: ['ggml_graph_overhead_custom', 'size_t', ['size_t', 'bool']],
    newMatrix: ['ggml_new_tensor_2d', pointer, [pointer, 'int', 'int64', 'int64']],
    multiply: ['ggml_mul_mat', pointer, [pointer, pointer, pointer]],
    copy: ['ggml_cpy', pointer, [pointer, pointer, pointer]],
    newGraph: ['ggml_new_graph_custom', pointer, [pointer, 'size_t', 'bool']],
    expand: ['ggml_build_forward_expand', 'void', [pointer, pointer]],
    bytes: ['ggml_nbytes', 'size_t', [pointer]],
    rowBytes: ['ggml_row_size', 'size_t', ['int', 'int64']],
    quantise: [
      'ggml_quantize_chunk',
      'size_t',
      ['int', pointer, pointer, 'int64', 'int64', 'int64', pointer],
    ],
    openDevice: ['ggml_backend_dev_init', pointer, [pointer, pointer]],
    freeBackEnd: ['ggml_backend_free', 'void', [pointer]],
    bufferType: ['ggml_backend_dev_buffer_type', pointer, [pointer]],
    largestBuffer: ['ggml_backend_buft_get_max_size', 'size_t', [pointer]],
    allocate: ['ggml_backend_alloc_ctx_tensors_from_buft', pointer, [pointer, pointer]],
    freeBuffer: ['ggml_backend_buffer_free', 'void', [pointer]],
    markBuffer: ['ggml_backend_buffer_set_usage', 'void', [pointer, 'int']],
    newAllocator: ['ggml_gallocr_new', pointer, [pointer]],
    allocateGraph: ['ggml_gallocr_alloc_graph', 'bool', [pointer, pointer]],
    freeAllocator: ['ggml_gallocr_free', 'void', [pointer]],
    supports: ['ggml_backend_dev_supports_op', 'bool', [pointer, pointer]],
    write: ['ggml_backend_tensor_set', 'void', [pointer, pointer, 'size_t', 'size_t']],
    read: ['ggml_backend_tensor_get', 'void', [pointer, pointer, 'size_t', 'size_t']],
    compute: ['ggml_backend_graph_compute', 'int', [pointer, pointer]],
  };

let bound: GgmlApi | undefined;

/** Throws TokenworkError `llama-unavailable` as `llamaApi` does. */
export function ggmlApi(): GgmlApi {
  if (bound !== undefined) return bound;
  const base = loadPinned(llamaApi().files.ggmlBase);
  const functions = Object.entries(signatures).map(([name, [symbol, result, parameters]]) => [
    name,
    base.func(symbol, result, parameters),
  ]);
  bound = Object.fromEntries(functions) as GgmlApi;
  return bound;
}
