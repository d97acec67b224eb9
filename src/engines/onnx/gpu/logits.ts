import type { DecoderGraph } from '../../../models/decoder-graph.js';
import type { Logits } from '../../engine.js';
import type { Address } from '../native/api.js';
import type { StepLogits } from '../native/decoder-memory.js';
import { LogitsOutput } from '../native/logits-output.js';
import { elementType, type NativeSession } from '../native/session.js';
import type { DeviceMemory } from './memory.js';
import type { DeviceSlices } from './slice.js';

/** Facts that a decoder has learnt of its graph by running it. */
export interface LogitsKnowledge {
  /** Whether it computes logits of every new position; null before the first step of several tokens. */
  allPositions: boolean | null;
}

const positionAxis = 1;
const rank = 3;

/**
 * A step's logits, computed on a GPU. Of a prompt only the last position's cross the bus: all of them are
 * gigabytes for a long one, and reading them back would take longer than computing them.
 */
export class DeviceLogitsOutput implements StepLogits {
  readonly #inner: LogitsOutput;
  readonly #graph: DecoderGraph;
  readonly #batch: number;
  readonly #session: NativeSession;
  readonly #memory: DeviceMemory;
  readonly #slices: DeviceSlices;
  readonly #known: LogitsKnowledge;
  /** All positions of the step that runs, on the GPU; 0 where it reads them back by itself. */
  #whole: Address = 0n;
  #positions = 0;

  constructor(
    session: NativeSession,
    device: { memory: DeviceMemory; slices: DeviceSlices; known: LogitsKnowledge },
    graph: DecoderGraph,
    batch: number,
  ) {
    this.#inner = new LogitsOutput(session, graph, batch);
    this.#graph = graph;
    this.#batch = batch;
    this.#session = session;
    this.#memory = device.memory;
    this.#slices = device.slices;
    this.#known = device.known;
  }

  target(newTokens: number, keep: 'last' | 'all'): Address {
    this.#positions = newTokens;
    const { vocabulary, logits } = this.#graph;
    if (newTokens === 1 || keep === 'all' || this.#known.allPositions !== true)
      return this.#inner.target(newTokens);
    this.#releaseWhole();
    this.#whole = this.#memory.allocate([this.#batch, newTokens, vocabulary], elementType[logits.dtype]);
    return this.#whole;
  }

  read(value: Address, keep: 'last' | 'all'): Logits {
    const { vocabulary, logits } = this.#graph;
    if (value !== this.#whole || value === 0n) {
      // Where a graph is told how many positions to compute, asking for all says nothing of its habit.
      if (this.#positions > 1 && keep === 'last') {
        const { elements } = this.#session.tensorData(value);
        this.#known.allPositions = elements === this.#batch * this.#positions * vocabulary;
      }
      return this.#inner.read(value, keep);
    }
    const last = this.#inner.target(1);
    const slice = this.#slices.of(logits.dtype, rank);
    slice.copy(value, last, positionAxis, this.#positions - 1, this.#positions);
    this.#releaseWhole();
    return this.#inner.read(last, 'last');
  }

  close(): void {
    this.#releaseWhole();
    this.#inner.close();
  }

  #releaseWhole(): void {
    if (this.#whole !== 0n) this.#session.api.releaseValue(this.#whole);
    this.#whole = 0n;
  }
}
