import type { DecoderGraph } from '../../../models/decoder-graph.js';
import type { CacheBlocks, OnnxDevice } from '../../engine.js';
import type { KvCache } from '../native/cache.js';
import type { DecoderMemory, StepLogits } from '../native/decoder-memory.js';
import type { NativeSession } from '../native/session.js';
import { DeviceBlocks } from './blocks.js';
import { DeviceAlternatingCache, DeviceInPlaceCache } from './cache.js';
import { DeviceLogitsOutput, type LogitsKnowledge } from './logits.js';
import { DeviceMemory } from './memory.js';
import { DeviceRowCopy } from './row-copy.js';
import { DeviceSlices } from './slice.js';

/** Memory of the GPU that a decoder's session runs on, and the small graphs that move what lies in it. */
export class DeviceDecoderMemory implements DecoderMemory {
  readonly #session: NativeSession;
  readonly #graph: DecoderGraph;
  readonly #device: Exclude<OnnxDevice, 'cpu'>;
  readonly #memory: DeviceMemory;
  readonly #slices: DeviceSlices;
  /** Shared by all sequences: what the first learns of the graph, the others know. */
  readonly #known: LogitsKnowledge = { allPositions: null };
  readonly #blocks: DeviceBlocks[] = [];
  #rowCopy: DeviceRowCopy | null = null;

  constructor(session: NativeSession, graph: DecoderGraph, device: Exclude<OnnxDevice, 'cpu'>) {
    this.#session = session;
    this.#graph = graph;
    this.#device = device;
    this.#memory = new DeviceMemory(session.api, session.address, device);
    this.#slices = new DeviceSlices(device);
  }

  cache(shape: { batch: number; capacity: number }): KvCache {
    const session = this.#session;
    const { layers, cacheInPlace } = this.#graph;
    const Cache = cacheInPlace ? DeviceInPlaceCache : DeviceAlternatingCache;
    const parts = { session, memory: this.#memory, slices: this.#slices, layers };
    return session.exclusively(() => new Cache({ ...parts, ...shape }));
  }

  logits(batch: number): StepLogits {
    const device = { memory: this.#memory, slices: this.#slices, known: this.#known };
    return new DeviceLogitsOutput(this.#session, device, this.#graph, batch);
  }

  reserve(blocks: number, blockTokens: number): CacheBlocks {
    const session = this.#session;
    const { layers } = this.#graph;
    return session.exclusively(() => {
      this.#rowCopy ??= new DeviceRowCopy(layers, this.#device);
      const parts = { session, memory: this.#memory, rowCopy: this.#rowCopy };
      const made = new DeviceBlocks(parts, layers, blocks, blockTokens);
      this.#blocks.push(made);
      return made;
    });
  }

  close(): void {
    this.#session.exclusively(() => {
      for (const blocks of this.#blocks) blocks.close();
      this.#rowCopy?.close();
      this.#memory.close();
    });
    this.#slices.close();
  }
}
