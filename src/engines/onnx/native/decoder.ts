import type { EngineRecord } from '../../../core/records/model.js';
import type { Bytes } from '../../../core/units.js';
import type { DecoderGraph } from '../../../models/decoder-graph.js';
import { kvBytesPerPosition } from '../../../models/decoder-graph.js';
import type { CacheBlocks, Decoder, Sequence, SequenceShape } from '../../engine.js';
import { checkSequenceShape, closedError } from '../../step-shape.js';
import { decoderMemory } from '../session-memory.js';
import type { DecoderMemory } from './decoder-memory.js';
import { type NativeOptions, nativeRecord, openSession } from './open-session.js';
import { giveBackRunOptions, takeRunOptions } from './run-options.js';
import { NativeSequence, StepNames } from './sequence.js';
import type { NativeSession } from './session.js';

export class NativeDecoder implements Decoder {
  readonly record: EngineRecord;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly kvBytesPerPosition: Bytes;
  readonly threadIds: readonly number[] | null;
  readonly sharedHandle: bigint;
  readonly terminationHandle: bigint;
  readonly #session: NativeSession;
  readonly copiesCachedPositions = true;
  readonly tokenizer = null;
  readonly #graph: DecoderGraph;
  readonly #names: StepNames;
  readonly #memory: DecoderMemory;
  #closed = false;

  /** Loads the model, or takes part in a session. Throws as `openSession`. */
  constructor(
    model: { onnxPath: string; decoder: DecoderGraph; contextLength: number },
    options: NativeOptions,
  ) {
    this.#session = openSession(model.onnxPath, options);
    this.#graph = model.decoder;
    this.#names = new StepNames(model.decoder);
    this.#memory = decoderMemory(this.#session, model.decoder);
    this.vocabulary = model.decoder.vocabulary;
    this.contextLength = model.contextLength;
    this.kvBytesPerPosition = kvBytesPerPosition(model.decoder.layers);
    this.threadIds = this.#session.threadIds;
    this.sharedHandle = this.#session.address;
    this.terminationHandle = takeRunOptions(this.#session.api);
    this.record = nativeRecord(this.#session, options);
  }

  reserveBlocks(blocks: number, blockTokens: number): CacheBlocks {
    if (this.#closed) throw closedError('decoder');
    return this.#memory.reserve(blocks, blockTokens);
  }

  open(shape: SequenceShape): Sequence {
    if (this.#closed) throw closedError('decoder');
    checkSequenceShape(shape, this.contextLength);
    // A termination that came too late for the request before must not stop this one.
    this.#session.api.runOptionsUnsetTerminate(this.terminationHandle);
    return new NativeSequence(
      this.#session,
      this.#graph,
      this.#names,
      this.terminationHandle,
      shape,
      this.#memory,
    );
  }

  /** Writes the profile that was asked for by `profilePrefix`, and returns its path. */
  endProfile(): string {
    return this.#session.endProfile();
  }

  trim(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#memory.close();
    giveBackRunOptions(this.terminationHandle);
    this.#session.close();
  }
}
