/**
 * node/ runs models through onnxruntime-node's own binding: the portable fallback. The binding copies
 * every output into a new buffer, the KV cache included, at every step.
 */
import { createRequire } from 'node:module';
import type { InferenceSession } from 'onnxruntime-node';
import { messageOf } from '../../../core/errors.js';
import type { EngineRecord } from '../../../core/result.js';
import type { Bytes } from '../../../core/units.js';
import type { DecoderGraph } from '../../../models/decoder-graph.js';
import type { Decoder, Sequence } from '../../engine.js';
import { openingError } from '../opening-error.js';
import { checkSequenceShape, closedError, kvBytesPerPosition } from '../step-shape.js';
import { watchThreads } from '../thread-ids.js';
import { type Binding, loadBinding } from './binding.js';
import { NodeSequence } from './sequence.js';

const logFatalOnly = 4;

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
  readonly #graph: DecoderGraph;
  #closed = false;

  private constructor(
    model: { decoder: DecoderGraph; contextLength: number },
    options: { threads: number; backendReason: string },
    loaded: { ort: Binding; session: InferenceSession; threadIds: readonly number[] | null },
  ) {
    this.#ort = loaded.ort;
    this.#session = loaded.session;
    this.#graph = model.decoder;
    this.vocabulary = model.decoder.vocabulary;
    this.contextLength = model.contextLength;
    this.kvBytesPerPosition = kvBytesPerPosition(model.decoder.layers);
    this.threadIds = loaded.threadIds;
    this.record = {
      name: 'onnx',
      backend: 'node',
      backendReason: options.backendReason,
      device: 'cpu',
      threads: options.threads,
      sharedSession: false,
      version: createRequire(import.meta.url)('onnxruntime-node/package.json').version,
    };
  }

  /** Loads the model with the options of the native back end. Throws as `openingError` says. */
  static async load(
    model: { onnxPath: string; decoder: DecoderGraph; contextLength: number },
    options: { threads: number; backendReason: string },
  ): Promise<NodeDecoder> {
    const ort = await loadBinding();
    const watch = options.threads > 1 ? watchThreads() : null;
    try {
      const session = await ort.InferenceSession.create(model.onnxPath, {
        intraOpNumThreads: options.threads,
        interOpNumThreads: 1,
        enableCpuMemArena: false,
        enableMemPattern: false,
        logSeverityLevel: logFatalOnly,
        extra: { session: { intra_op: { allow_spinning: '0' } } },
      });
      const threadIds = watch === null ? [] : watch.created();
      return new NodeDecoder(model, options, { ort, session, threadIds });
    } catch (error) {
      watch?.created();
      throw openingError(model.onnxPath, messageOf(error));
    }
  }

  open(shape: { batch: number; capacity: number }): Sequence {
    if (this.#closed) throw closedError('decoder');
    checkSequenceShape(shape, this.contextLength);
    return new NodeSequence(this.#ort, this.#session, this.#graph, shape);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The binding frees the session before `release` returns; its promise only reports it.
    void this.#session.release();
  }
}
