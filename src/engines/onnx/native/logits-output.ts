import koffi from 'koffi';
import type { DecoderGraph } from '../../../models/decoder-graph.js';
import { widenHalf } from '../../../models/half.js';
import type { Logits } from '../../engine.js';
import { lastPositions } from '../last-positions.js';
import type { Address } from './api.js';
import { elementBytes, elementType, type NativeSession } from './session.js';

/** A step's logits. Those of a one-token step have a buffer of their own, which every such step reuses. */
export class LogitsOutput {
  readonly #session: NativeSession;
  readonly #graph: DecoderGraph;
  readonly #batch: number;
  /** [batch, 1, vocabulary]. */
  readonly #last: Float32Array;
  /** Target of the graph in a one-token step: `#last` itself, or the fp16 bits it is widened from. */
  readonly #written: Float32Array | Uint16Array;
  readonly #value: Address;

  constructor(session: NativeSession, graph: DecoderGraph, batch: number) {
    this.#session = session;
    this.#graph = graph;
    this.#batch = batch;
    const elements = batch * graph.vocabulary;
    this.#last = new Float32Array(elements);
    this.#written = graph.logits.dtype === 'fp32' ? this.#last : new Uint16Array(elements);
    const shape = BigInt64Array.of(BigInt(batch), 1n, BigInt(graph.vocabulary));
    this.#value = session.tensor(
      koffi.address(this.#written),
      this.#written.byteLength,
      shape,
      elementType[graph.logits.dtype],
    );
  }

  /**
   * The tensor a step of `newTokens` writes to; 0 where ONNX Runtime shall allocate it: only the graph
   * knows whether it computes all positions, and a prompt's logits are too large to keep.
   */
  target(newTokens: number): Address {
    return newTokens === 1 ? this.#value : 0n;
  }

  /** The logits in `value`, which `target` gave or ONNX Runtime allocated; the latter is released. */
  read(value: Address, keep: 'last' | 'all'): Logits {
    const { vocabulary } = this.#graph;
    if (value === this.#value) {
      if (this.#written instanceof Uint16Array) widenHalf(this.#written, this.#last);
      return { data: this.#last, batch: this.#batch, positions: 1, vocabulary };
    }
    try {
      const { elements, address } = this.#session.tensorData(value);
      const half = this.#graph.logits.dtype === 'fp16';
      const buffer = koffi.view(address, elements * elementBytes[this.#graph.logits.dtype]);
      const source = half ? new Uint16Array(buffer) : new Float32Array(buffer);
      const positions = elements / (this.#batch * vocabulary);
      const data = keep === 'all' ? new Float32Array(elements) : this.#last;
      const wanted = keep === 'all' ? [source] : lastPositions(source, this.#batch, vocabulary);
      let offset = 0;
      for (const part of wanted) {
        if (part instanceof Uint16Array) widenHalf(part, data.subarray(offset));
        else data.set(part, offset);
        offset += part.length;
      }
      return { data, batch: this.#batch, positions: keep === 'all' ? positions : 1, vocabulary };
    } finally {
      this.#session.api.releaseValue(value);
    }
  }

  close(): void {
    this.#session.api.releaseValue(this.#value);
  }
}
