import type { Bytes } from '../../../core/units.js';
import type { DecoderGraph, IndexInput } from '../../../models/decoder-graph.js';
import { kvBytesPerPosition } from '../../../models/decoder-graph.js';
import { checkExport, importedPositions } from '../../cached-positions.js';
import type { CachedPositions, CacheExport, Logits, Sequence } from '../../engine.js';
import { expertsOf } from '../../routing.js';
import { closedError, newTokensOf } from '../../step-shape.js';
import { type Address, check } from './api.js';
import type { KvCache } from './cache.js';
import type { DecoderMemory, StepLogits } from './decoder-memory.js';
import { readFloats } from './float-output.js';
import { IndexTensor } from './index-tensor.js';
import { NativeNames } from './memory.js';
import type { NativeSession } from './session.js';

/** A graph's inputs and outputs in the order this back end passes them. */
export class StepNames {
  /** Index inputs first, then each layer's past key and value. */
  readonly inputs: NativeNames;
  /** The logits, then each layer's present key and value, then the routers. */
  readonly outputs: NativeNames;
  readonly indexInputs: readonly IndexInput[];

  constructor(graph: DecoderGraph) {
    this.indexInputs = [graph.inputIds, graph.attentionMask, graph.positionIds, graph.logitsToKeep].filter(
      (input) => input !== null,
    );
    this.inputs = new NativeNames([
      ...this.indexInputs.map((input) => input.name),
      ...graph.layers.flatMap((layer) => [layer.pastKey, layer.pastValue]),
    ]);
    this.outputs = new NativeNames([
      graph.logits.name,
      ...graph.layers.flatMap((layer) => [layer.presentKey, layer.presentValue]),
      ...graph.routers.map(({ name }) => name),
    ]);
  }
}

export class NativeSequence implements Sequence {
  readonly batch: number;
  readonly capacity: number;
  readonly #session: NativeSession;
  readonly #graph: DecoderGraph;
  readonly #names: StepNames;
  readonly #runOptions: Address;
  readonly #cache: KvCache;
  readonly #logits: StepLogits;
  readonly #ids: IndexTensor;
  readonly #mask: IndexTensor | null;
  readonly #positions: IndexTensor | null;
  readonly #logitsToKeep: IndexTensor | null;
  readonly #kvBytesPerPosition: Bytes;
  /** The addresses that Run reads and writes, with views on the parts that hold the cache. */
  readonly #inputs: BigUint64Array;
  readonly #outputs: BigUint64Array;
  readonly #past: BigUint64Array;
  readonly #present: BigUint64Array;
  /** Router logits of the last step, as ONNX Runtime allocated them; zeros before the first. */
  readonly #routed: BigUint64Array;
  #length = 0;
  #closed = false;

  constructor(
    session: NativeSession,
    graph: DecoderGraph,
    names: StepNames,
    runOptions: Address,
    shape: { batch: number; capacity: number },
    memory: DecoderMemory,
  ) {
    const { batch, capacity } = shape;
    this.batch = batch;
    this.capacity = capacity;
    this.#session = session;
    this.#graph = graph;
    this.#names = names;
    this.#runOptions = runOptions;
    this.#kvBytesPerPosition = kvBytesPerPosition(graph.layers);
    this.#cache = memory.cache(shape);
    this.#logits = memory.logits(batch);
    const tensor = (input: IndexInput | null, columns: number) =>
      input === null ? null : new IndexTensor(session, input, batch, columns);
    this.#ids = tensor(graph.inputIds, capacity)!;
    this.#positions = tensor(graph.positionIds, capacity);
    // Every cached position counts, so the mask of any length is a piece of one buffer of ones.
    this.#mask = tensor(graph.attentionMask, capacity);
    this.#mask?.fill(1);
    this.#logitsToKeep =
      graph.logitsToKeep === null ? null : new IndexTensor(session, graph.logitsToKeep, 1, 1);
    this.#inputs = new BigUint64Array(names.inputs.addresses.length);
    this.#outputs = new BigUint64Array(names.outputs.addresses.length);
    this.#past = this.#inputs.subarray(names.indexInputs.length);
    this.#present = this.#outputs.subarray(1, 1 + 2 * graph.layers.length);
    this.#routed = this.#outputs.subarray(1 + 2 * graph.layers.length);
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
    return this.#session.exclusively(() => this.#step(tokenIds, newTokens, keep));
  }

  #step(tokenIds: BigInt64Array, newTokens: number, keep: 'last' | 'all'): Logits {
    const total = this.#length + newTokens;
    this.#logitsToKeep?.fill(keep === 'all' ? newTokens : 1);
    this.#bindIndices(tokenIds, newTokens, total);
    this.#cache.bind(total, this.#past, this.#present);
    this.#releaseRouted();
    const outputs = this.#outputs;
    outputs[0] = this.#logits.target(newTokens, keep);
    const { inputs, outputs: outputNames } = this.#names;
    const { api, address, subnormals } = this.#session;
    subnormals?.begin();
    const status = api.run(
      address,
      this.#runOptions,
      inputs.addresses,
      this.#inputs,
      this.#inputs.length,
      outputNames.addresses,
      outputs.length,
      outputs,
    );
    subnormals?.end();
    if (status !== null) {
      this.#routed.fill(0n);
      this.#cache.discard();
      // A termination asked for is served once; the decoder goes on with the next request.
      api.runOptionsUnsetTerminate(this.#runOptions);
      check(api, status, `running ${newTokens} tokens after ${this.#length}`);
    }
    this.#cache.commit();
    this.#length = total;
    return this.#logits.read(outputs[0]!, keep);
  }

  routedExperts(): number[][] | null {
    if (this.#closed) throw closedError('sequence');
    if (this.#routed.length === 0 || this.#routed[0] === 0n) return null;
    return this.#graph.routers.map(({ dtype, experts, perToken }, layer) =>
      expertsOf(readFloats(this.#session, this.#routed[layer]!, dtype), experts, perToken),
    );
  }

  truncate(length: number): void {
    if (this.#closed) throw closedError('sequence');
    if (!Number.isInteger(length) || length < 0 || length > this.#length)
      throw new RangeError(`cannot truncate a sequence of ${this.#length} positions to ${length}`);
    if (length === this.#length) return;
    this.#session.exclusively(() => this.#cache.truncate(this.#length, length));
    this.#length = length;
  }

  exportCache(row: number, exports: readonly CacheExport[]): void {
    if (this.#closed) throw closedError('sequence');
    checkExport(this, row, exports, this.#kvBytesPerPosition);
    if (exports.length === 0) return;
    this.#session.exclusively(() => this.#cache.export(this.#length, row, exports));
  }

  importCache(rows: readonly (readonly CachedPositions[])[]): void {
    if (this.#closed) throw closedError('sequence');
    const positions = importedPositions(this, rows, this.#kvBytesPerPosition);
    if (positions === 0) return;
    this.#session.exclusively(() => this.#cache.import(this.#length, positions, rows));
    this.#length += positions;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#session.exclusively(() => {
      this.#releaseRouted();
      this.#cache.close();
      this.#logits.close();
    });
    for (const tensor of [this.#ids, this.#mask, this.#positions, this.#logitsToKeep]) tensor?.close();
  }

  #releaseRouted(): void {
    for (const value of this.#routed) if (value !== 0n) this.#session.api.releaseValue(value);
    this.#routed.fill(0n);
  }

  /** In the order of `StepNames.indexInputs`. */
  #bindIndices(tokenIds: BigInt64Array, newTokens: number, total: number): void {
    const { batch } = this;
    let slot = 0;
    this.#ids.copy(tokenIds);
    this.#inputs[slot++] = this.#ids.shaped(batch * newTokens, newTokens);
    if (this.#mask) this.#inputs[slot++] = this.#mask.shaped(batch * total, total);
    if (this.#positions) {
      for (let i = 0; i < tokenIds.length; i++) this.#positions.set(i, this.#length + (i % newTokens));
      this.#inputs[slot++] = this.#positions.shaped(batch * newTokens, newTokens);
    }
    if (this.#logitsToKeep) this.#inputs[slot++] = this.#logitsToKeep.shaped(1, 1);
  }
}
