import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { messageOf, TokenworkError } from '../../../core/errors.js';
import type { Bytes } from '../../../core/units.js';
import type { DecoderGraph, IndexInput, LayerCache } from '../../../models/decoder-graph.js';
import { kvBytesPerPosition } from '../../../models/decoder-graph.js';
import { widenHalf } from '../../../models/half.js';
import { checkExport, importedPositions } from '../../cached-positions.js';
import type { CachedPositions, CacheExport, Logits, Sequence } from '../../engine.js';
import { expertsOf } from '../../routing.js';
import { closedError, newTokensOf } from '../../step-shape.js';
import { copyChunksIn, copyOut, type KvPlane } from '../kv-transfer.js';
import { lastPositions } from '../last-positions.js';

type Ort = typeof import('onnxruntime-node');
type CacheData = Float32Array | Uint16Array;

/** A sequence whose cache is as long as its positions: present goes out, and comes in as the next past. */
export class NodeSequence implements Sequence {
  readonly batch: number;
  readonly capacity: number;
  readonly #ort: Ort;
  readonly #session: InferenceSession;
  readonly #graph: DecoderGraph;
  readonly #kvBytesPerPosition: Bytes;
  #past: Record<string, Tensor> = {};
  /** Router logits of the last step, layer by layer. */
  #routed: Tensor[] | null = null;
  #length = 0;
  #closed = false;

  constructor(
    ort: Ort,
    session: InferenceSession,
    graph: DecoderGraph,
    shape: { batch: number; capacity: number },
  ) {
    this.#ort = ort;
    this.#session = session;
    this.#graph = graph;
    this.batch = shape.batch;
    this.capacity = shape.capacity;
    this.#kvBytesPerPosition = kvBytesPerPosition(graph.layers);
    this.#setPast((layer) => (layer.dtype === 'fp32' ? new Float32Array(0) : new Uint16Array(0)), 0);
  }

  get length(): number {
    return this.#length;
  }

  get kvBytes(): Bytes {
    return this.batch * this.#length * this.#kvBytesPerPosition;
  }

  async step(tokenIds: BigInt64Array, keep: 'last' | 'all' = 'last'): Promise<Logits> {
    if (this.#closed) throw closedError('sequence');
    const newTokens = newTokensOf(tokenIds, this, this.#graph.vocabulary);
    const outputs = await this.#run(this.#feeds(tokenIds, newTokens, keep), newTokens);
    const past: Record<string, Tensor> = {};
    for (const layer of this.#graph.layers) {
      past[layer.pastKey] = outputs[layer.presentKey]!;
      past[layer.pastValue] = outputs[layer.presentValue]!;
    }
    this.#past = past;
    this.#routed = this.#graph.routers.map(({ name }) => outputs[name]!);
    this.#length += newTokens;
    return this.#read(outputs[this.#graph.logits.name]!, keep);
  }

  routedExperts(): number[][] | null {
    if (this.#closed) throw closedError('sequence');
    if (!this.#routed?.length) return null;
    return this.#routed.map((tensor, layer) => {
      const { experts, perToken } = this.#graph.routers[layer]!;
      return expertsOf(floatsOf(tensor), experts, perToken);
    });
  }

  truncate(length: number): void {
    if (this.#closed) throw closedError('sequence');
    if (!Number.isInteger(length) || length < 0 || length > this.#length)
      throw new RangeError(`cannot truncate a sequence of ${this.#length} positions to ${length}`);
    this.#resize(length);
  }

  exportCache(row: number, exports: readonly CacheExport[]): void {
    if (this.#closed) throw closedError('sequence');
    checkExport(this, row, exports, this.#kvBytesPerPosition);
    copyOut(this.#planes(), row, exports);
  }

  importCache(rows: readonly (readonly CachedPositions[])[]): void {
    if (this.#closed) throw closedError('sequence');
    const before = this.#length;
    this.#resize(before + importedPositions(this, rows, this.#kvBytesPerPosition));
    copyChunksIn(this.#planes(), before, rows, this.#kvBytesPerPosition);
  }

  close(): void {
    this.#closed = true;
    this.#past = {};
  }

  /** Makes the cache `length` positions long, keeping those that it has room for; new ones are zero. */
  #resize(length: number): void {
    const [before, past] = [this.#length, this.#past];
    const kept = Math.min(before, length);
    this.#setPast((layer, name) => {
      const source = cacheData(past[name]!);
      const rows = this.batch * layer.heads;
      const elements = rows * length * layer.headDim;
      const data = source instanceof Float32Array ? new Float32Array(elements) : new Uint16Array(elements);
      for (let row = 0; row < rows; row++)
        data.set(
          source.subarray(row * before * layer.headDim, (row * before + kept) * layer.headDim),
          row * length * layer.headDim,
        );
      return data;
    }, length);
    this.#length = length;
  }

  #planes(): KvPlane[] {
    return this.#graph.layers.flatMap(({ pastKey, pastValue, heads, headDim }) =>
      [pastKey, pastValue].map((name) => {
        const data = cacheData(this.#past[name]!);
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        const positionBytes = headDim * data.BYTES_PER_ELEMENT;
        return { bytes, heads, stride: this.#length, positionBytes };
      }),
    );
  }

  #setPast(data: (layer: LayerCache, name: string) => CacheData, tokens: number): void {
    const past: Record<string, Tensor> = {};
    for (const layer of this.#graph.layers)
      for (const name of [layer.pastKey, layer.pastValue])
        past[name] = new this.#ort.Tensor(layer.dtype === 'fp32' ? 'float32' : 'float16', data(layer, name), [
          this.batch,
          layer.heads,
          tokens,
          layer.headDim,
        ]);
    this.#past = past;
  }

  #feeds(tokenIds: BigInt64Array, newTokens: number, keep: 'last' | 'all'): Record<string, Tensor> {
    const { inputIds, attentionMask, positionIds, logitsToKeep } = this.#graph;
    const total = this.#length + newTokens;
    const feeds: Record<string, Tensor> = { ...this.#past };
    const add = (input: IndexInput | null, columns: number, value: (index: number) => bigint) => {
      if (input === null) return;
      const elements = input.rank < 2 ? 1 : this.batch * columns;
      const dims = [[], [columns], [this.batch, columns]][input.rank]!;
      const values = BigInt64Array.from({ length: elements }, (_, i) => value(i));
      feeds[input.name] =
        input.dtype === 'int64'
          ? new this.#ort.Tensor('int64', values, dims)
          : new this.#ort.Tensor('int32', Int32Array.from(values, Number), dims);
    };
    add(inputIds, newTokens, (i) => tokenIds[i]!);
    add(attentionMask, total, () => 1n);
    add(positionIds, newTokens, (i) => BigInt(this.#length + (i % newTokens)));
    add(logitsToKeep, 1, () => (keep === 'all' ? BigInt(newTokens) : 1n));
    return feeds;
  }

  async #run(feeds: Record<string, Tensor>, newTokens: number) {
    try {
      return await this.#session.run(feeds);
    } catch (cause) {
      throw new TokenworkError(
        'engine-failed',
        `ONNX Runtime failed running ${newTokens} tokens after ${this.#length}: ${messageOf(cause)}`,
        'Check that the model runs in ONNX Runtime with these lengths, or try another dtype or graph variant.',
        { cause },
      );
    }
  }

  #read(tensor: Tensor, keep: 'last' | 'all'): Logits {
    const { vocabulary } = this.#graph;
    const source = cacheData(tensor);
    const positions = keep === 'all' ? source.length / (this.batch * vocabulary) : 1;
    if (source instanceof Float32Array && source.length === this.batch * positions * vocabulary)
      return { data: source, batch: this.batch, positions, vocabulary };
    const wanted = keep === 'all' ? [source] : lastPositions(source, this.batch, vocabulary);
    const data = new Float32Array(this.batch * positions * vocabulary);
    let offset = 0;
    for (const part of wanted) {
      if (part instanceof Uint16Array) widenHalf(part, data.subarray(offset));
      else data.set(part, offset);
      offset += part.length;
    }
    return { data, batch: this.batch, positions, vocabulary };
  }
}

/** A tensor's elements in fp32. */
export function floatsOf(tensor: Tensor): Float32Array {
  const data = cacheData(tensor);
  if (data instanceof Float32Array) return data;
  const wide = new Float32Array(data.length);
  widenHalf(data, wide);
  return wide;
}

/** A tensor's elements; fp16 as bits, whether or not this Node hands them out as Float16Array. */
function cacheData(tensor: Tensor): CacheData {
  const data = tensor.data as ArrayBufferView & { length: number };
  return data instanceof Float32Array ? data : new Uint16Array(data.buffer, data.byteOffset, data.length);
}
