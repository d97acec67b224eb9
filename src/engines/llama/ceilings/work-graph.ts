import { TokenworkError } from '../../../core/errors.js';
import type { BlockType } from '../../../models/gguf/block-types.js';
import type { Address } from '../library.js';
import type { ComputeDevice } from './compute-device.js';

/**
 * y = x · Wᵀ, again on what came of it: `links` products of x [rows, inner] with the weights W [columns, inner]. Each
 * row of the first x is the cosine of its indices.
 */
export interface ProductShape {
  rows: number;
  inner: number;
  /** As many as `inner` where there are several links. */
  columns: number;
  links: number;
}

/** A graph that is ready to be computed, and computed again. */
export interface WorkGraph {
  /** Returns when the device has finished. Throws TokenworkError `engine-failed`. */
  run(): void;
  /** The result's first numbers. */
  read(count: number): Float32Array;
  close(): void;
}

/** `enum ggml_type`. */
const float32 = 0;
/** `enum ggml_backend_buffer_usage`. */
const holdsWeights = 1;
/** The weights repeat after so many rows: few enough for quantisers that search long. */
const distinctRows = 16;
const chunkBytes = 8 * 2 ** 20;

/**
 * Products with weights of a type, which lie where llama.cpp would put them: on a CPU rearranged for its
 * instructions, if there is a kernel for that. Throws TokenworkError `device-out-of-memory`, or
 * `model-unsupported` where the device has no product for that type.
 */
export function openProducts(
  on: ComputeDevice,
  type: BlockType,
  shape: ProductShape,
  weightOf: (row: number, index: number) => number = weightsNear(shape.inner),
): WorkGraph {
  const { rows, inner, columns, links } = shape;
  const scope = new Scope(on);
  try {
    const [x] = scope.matrices(1, { type: float32, inner, rows }, on.weightPlaces.at(-1)!);
    const context = scope.context(links, links);
    const weights = placeWeights(scope, type.id, { inner, rows: columns }, x!);
    scope.fill(weights.tensor, quantised(on, type, inner, weightOf), weights.isPlain);
    scope.fill(x!, bytesOf(Float32Array.from({ length: inner }, (_, index) => Math.cos(index))), true);
    let y = x!;
    for (let link = 0; link < links; link++) y = on.ggml.multiply(context, weights.tensor, y);
    return scope.graph(context, y, links);
  } catch (thrown) {
    scope.close();
    throw thrown;
  }
}

/** Copies of one matrix of fp32 onto another, to and fro. Throws TokenworkError `device-out-of-memory`. */
export function openCopies(on: ComputeDevice, { size, links }: { size: number; links: number }): WorkGraph {
  const scope = new Scope(on);
  try {
    const both = scope.matrices(2, { type: float32, inner: size, rows: size }, on.weightPlaces.at(-1)!);
    for (const tensor of both) scope.fill(tensor, bytesOf(new Float32Array(size).fill(1)), true);
    const context = scope.context(links, links);
    let at = both[0]!;
    for (let link = 0; link < links; link++) at = on.ggml.copy(context, at, both[(link + 1) % 2]!);
    return scope.graph(context, at, links);
  } catch (thrown) {
    scope.close();
    throw thrown;
  }
}

/** The first of the places that has a kernel for the product; it is allocated there to find out. */
function placeWeights(
  scope: Scope,
  type: number,
  shape: { inner: number; rows: number },
  x: Address,
): { tensor: Address; isPlain: boolean } {
  const { ggml, device, weightPlaces } = scope.on;
  for (const place of weightPlaces) {
    const [tensor] = scope.matrices(1, { type, ...shape }, place, holdsWeights);
    if (ggml.supports(device, ggml.multiply(scope.context(1, 0), tensor!, x)))
      return { tensor: tensor!, isPlain: place === weightPlaces.at(-1) };
  }
  throw new TokenworkError(
    'model-unsupported',
    `The device multiplies by no weights of type ${type}.`,
    'Take another quantisation.',
  );
}

const bytesOf = (numbers: Float32Array) => new Uint8Array(numbers.buffer);

/** Rows of weights as the file of a model would hold them. */
function quantised(
  { ggml }: ComputeDevice,
  type: BlockType,
  inner: number,
  weightOf: (row: number, index: number) => number,
): Uint8Array {
  const source = Float32Array.from({ length: distinctRows * inner }, (_, at) =>
    weightOf(Math.floor(at / inner), at % inner),
  );
  const target = new Uint8Array(distinctRows * Number(ggml.rowBytes(type.id, inner)));
  // Some types cannot be had without the importance of each column.
  const importance = new Float32Array(inner).fill(1);
  ggml.quantise(type.id, source, target, 0, distinctRows, inner, importance);
  return target;
}

/** Numbers of both signs as large as keep a vector's length in a product, none of them near the next. */
const weightsNear = (inner: number) => (row: number, index: number) =>
  Math.sin(1 + row * 7919 + index * 104_729) * Math.sqrt(2 / inner);

/** All that a graph holds of native memory. */
class Scope {
  readonly on: ComputeDevice;
  readonly #releases: (() => void)[] = [];

  constructor(on: ComputeDevice) {
    this.on = on;
  }

  /** Room for the descriptions of tensors, and of a graph of so many nodes. */
  context(tensors: number, nodes: number): Address {
    const { ggml } = this.on;
    const bytes =
      (tensors + 2) * Number(ggml.tensorOverhead()) + Number(ggml.graphOverhead(graphSize(nodes), false));
    const context = ggml.init({ mem_size: bytes, mem_buffer: null, no_alloc: true });
    if (context === null) throw outOfMemory();
    this.#releases.push(() => ggml.free(context));
    return context;
  }

  matrices(
    count: number,
    { type, inner, rows }: { type: number; inner: number; rows: number },
    place: Address,
    usage = 0,
  ): Address[] {
    const { ggml } = this.on;
    const context = this.context(count, 0);
    const tensors = Array.from({ length: count }, () => ggml.newMatrix(context, type, inner, rows));
    const buffer = ggml.allocate(context, place);
    if (buffer === null) throw outOfMemory();
    this.#releases.push(() => ggml.freeBuffer(buffer));
    ggml.markBuffer(buffer, usage);
    return tensors;
  }

  /** Writes `pattern` again and again over all of a tensor: at once where it gets rearranged. */
  fill(tensor: Address, pattern: Uint8Array, inParts: boolean): void {
    const { ggml } = this.on;
    const total = Number(ggml.bytes(tensor));
    const partBytes = inParts ? Math.max(1, Math.floor(chunkBytes / pattern.length)) * pattern.length : total;
    const part = new Uint8Array(Math.min(total, partBytes));
    for (let at = 0; at < part.length; at += pattern.length)
      part.set(pattern.subarray(0, part.length - at), at);
    for (let at = 0; at < total; at += part.length)
      ggml.write(tensor, part, at, Math.min(part.length, total - at));
  }

  graph(context: Address, result: Address, nodes: number): WorkGraph {
    const { ggml, backEnd, weightPlaces } = this.on;
    const graph = ggml.newGraph(context, graphSize(nodes), false);
    ggml.expand(graph, result);
    const allocator = ggml.newAllocator(weightPlaces.at(-1)!);
    this.#releases.push(() => ggml.freeAllocator(allocator));
    if (!ggml.allocateGraph(allocator, graph)) throw outOfMemory();
    return {
      run() {
        const status = ggml.compute(backEnd, graph);
        if (status !== 0)
          throw new TokenworkError(
            'engine-failed',
            `ggml fails with status ${status}.`,
            'Try a smaller size.',
          );
      },
      read(count) {
        const bytes = new Uint8Array(4 * count);
        ggml.read(result, bytes, 0, bytes.length);
        return new Float32Array(bytes.buffer);
      },
      close: () => this.close(),
    };
  }

  close(): void {
    for (const release of this.#releases.splice(0).reverse()) release();
  }
}

/** Nodes and leaves. */
const graphSize = (nodes: number) => nodes + 8;

function outOfMemory(): TokenworkError {
  return new TokenworkError(
    'device-out-of-memory',
    'ggml has no memory for the matrices.',
    'Use smaller ones.',
  );
}
