/**
 * node/ runs models through onnxruntime-node's own binding: the portable fallback. The binding copies
 * every output into a new buffer, the KV cache included, at every step.
 */
import type { InferenceSession } from 'onnxruntime-node';
import type { EngineRecord } from '../../../core/records/model.js';
import type { Bytes } from '../../../core/units.js';
import type { DecoderGraph } from '../../../models/decoder-graph.js';
import { kvBytesPerPosition } from '../../../models/decoder-graph.js';
import type { CacheBlocks, Decoder, Sequence, SequenceShape } from '../../engine.js';
import { checkSequenceShape, closedError } from '../../step-shape.js';
import { HostBlocks } from '../host-blocks.js';
import type { Binding } from './binding.js';
import { NodeSequence } from './sequence.js';
import { loadNodeSession, type NodeSession, nodeRecord } from './session.js';

export class NodeDecoder implements Decoder {
  readonly record: EngineRecord;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly kvBytesPerPosition: Bytes;
  readonly threadIds: readonly number[] | null;
  readonly sharedHandle = null;
  readonly terminationHandle = null;
  readonly #ort: Binding;
  readonly #session: InferenceSession;
  readonly copiesCachedPositions = true;
  readonly tokenizer = null;
  readonly #graph: DecoderGraph;
  #closed = false;

  private constructor(
    model: { decoder: DecoderGraph; contextLength: number },
    options: { threads: number; backendReason: string },
    loaded: NodeSession,
  ) {
    this.#ort = loaded.ort;
    this.#session = loaded.session;
    this.#graph = model.decoder;
    this.vocabulary = model.decoder.vocabulary;
    this.contextLength = model.contextLength;
    this.kvBytesPerPosition = kvBytesPerPosition(model.decoder.layers);
    this.threadIds = loaded.threadIds;
    this.record = nodeRecord(options);
  }

  /** Loads the model with the options of the native back end. Throws as `openingError` says. */
  static async load(
    model: { onnxPath: string; decoder: DecoderGraph; contextLength: number },
    options: { threads: number; backendReason: string },
  ): Promise<NodeDecoder> {
    return new NodeDecoder(model, options, await loadNodeSession(model.onnxPath, options.threads));
  }

  reserveBlocks(blocks: number, blockTokens: number): CacheBlocks {
    if (this.#closed) throw closedError('decoder');
    return new HostBlocks(blocks, blockTokens * this.kvBytesPerPosition);
  }

  open(shape: SequenceShape): Sequence {
    if (this.#closed) throw closedError('decoder');
    checkSequenceShape(shape, this.contextLength);
    return new NodeSequence(this.#ort, this.#session, this.#graph, shape);
  }

  trim(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The binding frees the session before `release` returns; its promise only reports it.
    void this.#session.release();
  }
}
