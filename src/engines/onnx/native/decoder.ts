import { TokenworkError } from '../../../core/errors.js';
import type { EngineRecord } from '../../../core/result.js';
import type { Bytes } from '../../../core/units.js';
import type { DecoderGraph } from '../../../models/decoder-graph.js';
import type { Decoder, Device, Sequence } from '../../engine.js';
import { checkSequenceShape, closedError, kvBytesPerPosition } from '../step-shape.js';
import { type Address, check, fatalSeverity, type OrtApi, ortApi } from './api.js';
import { DeviceSlices } from './device-slice.js';
import { type DeviceTools, NativeSequence, StepNames } from './sequence.js';
import { NativeSession } from './session.js';

/**
 * Run options of closed decoders, for the next ones. They are never freed: another thread may still
 * hold the address to stop a run by, and must never write to memory that is something else by then.
 */
const idleRunOptions: Address[] = [];

function takeRunOptions(api: OrtApi): Address {
  const idle = idleRunOptions.pop();
  if (idle !== undefined) return idle;
  const out = new BigUint64Array(1);
  check(api, api.createRunOptions(out), 'creating run options');
  check(api, api.runOptionsSetRunLogSeverityLevel(out[0]!, fatalSeverity), 'setting run options');
  return out[0]!;
}

/** Stops the step that runs with this handle, or the next one; callable from any thread of the process. */
export function requestTermination(handle: bigint): void {
  const api = ortApi();
  check(api, api.runOptionsSetTerminate(handle), 'stopping a run');
}

export class NativeDecoder implements Decoder {
  readonly record: EngineRecord;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly kvBytesPerPosition: Bytes;
  readonly threadIds: readonly number[] | null;
  readonly sharedHandle: bigint;
  readonly terminationHandle: bigint;
  readonly #session: NativeSession;
  readonly #graph: DecoderGraph;
  readonly #names: StepNames;
  readonly #tools: DeviceTools | null;
  #closed = false;

  /**
   * Loads the model, or takes part in the session at `sharedHandle`. Throws as `NativeSession.load`.
   */
  constructor(
    model: { onnxPath: string; decoder: DecoderGraph; contextLength: number },
    options: {
      threads: number;
      device?: Device | undefined;
      sharedHandle?: bigint;
      profilePrefix?: string;
      backendReason: string;
    },
  ) {
    const { threads, device = 'cpu', sharedHandle, profilePrefix } = options;
    if (sharedHandle !== undefined && threads > 1)
      throw new TokenworkError(
        'shared-session-threads',
        'A shared session runs on the threads of its users: it cannot have several of its own.',
        'Share sessions with one intra-op thread only.',
      );
    this.#session =
      sharedHandle === undefined
        ? NativeSession.load(model.onnxPath, { threads, device, profilePrefix })
        : NativeSession.share(sharedHandle, device);
    this.#graph = model.decoder;
    this.#names = new StepNames(model.decoder);
    this.#tools =
      device === 'cpu' ? null : { slices: new DeviceSlices(device), known: { allPositions: null } };
    this.vocabulary = model.decoder.vocabulary;
    this.contextLength = model.contextLength;
    this.kvBytesPerPosition = kvBytesPerPosition(model.decoder.layers);
    this.threadIds = this.#session.threadIds;
    this.sharedHandle = this.#session.address;
    this.terminationHandle = takeRunOptions(this.#session.api);
    this.record = {
      name: 'onnx',
      backend: 'native',
      backendReason: options.backendReason,
      device,
      threads,
      sharedSession: sharedHandle !== undefined,
      version: this.#session.api.version,
      subnormals: this.#session.subnormals === null ? 'kept' : 'flushed',
    };
  }

  open(shape: { batch: number; capacity: number }): Sequence {
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
      this.#tools,
    );
  }

  /** Writes the profile that was asked for by `profilePrefix`, and returns its path. */
  endProfile(): string {
    return this.#session.endProfile();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    idleRunOptions.push(this.terminationHandle);
    this.#tools?.slices.close();
    this.#session.close();
  }
}
