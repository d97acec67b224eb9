import koffi from 'koffi';
import type { CacheDtype, IndexDtype } from '../../../models/decoder-graph.js';
import type { OnnxDevice } from '../../engine.js';
import { type SubnormalFlush, subnormalFlush } from '../../subnormals.js';
import { watchThreads } from '../../thread-ids.js';
import { deviceFailure } from '../gpu/failure.js';
import { holdDevice } from '../gpu/lock.js';
import { openingError } from '../opening-error.js';
import { type Address, check, fatalSeverity, type OrtApi, ortApi, type Status } from './api.js';
import { appendProvider } from './provider.js';

/** Element types in ONNX Runtime's numbering. */
export const elementType: Record<CacheDtype | IndexDtype, number> = { fp32: 1, int32: 6, int64: 7, fp16: 10 };
export const elementBytes: Record<CacheDtype | IndexDtype, number> = { fp32: 4, int32: 4, int64: 8, fp16: 2 };

/** Foundation of every session of a thread; made once per thread and never released, as the API asks. */
interface Foundation {
  api: OrtApi;
  env: Address;
  /** Describes ordinary memory, for tensors over memory of ours. */
  cpuMemory: Address;
  subnormals: SubnormalFlush | null;
}
let foundation: Foundation | undefined;
const out = new BigUint64Array(1);
const deviceAllocator = 0;
const defaultMemory = 0;

function runtime(): Foundation {
  if (foundation) return foundation;
  // By default the 4-bit experts of QMoE are widened to fp32 at every token: 4.4 times the CPU time of
  // MLAS's own 4-bit product on the tiny mixture. Only the main thread's process.env is the process's,
  // and ONNX Runtime reads it when a session is created.
  process.env.ORT_USE_MLAS_Q4_GEMM_MOE ??= '1';
  const api = ortApi();
  // The environment is one per process and counted; every thread takes its own reference to it.
  const env = create(api, 'creating its environment', () => api.createEnv(fatalSeverity, 'tokenwork', out));
  const cpuMemory = create(api, 'describing memory', () =>
    api.createCpuMemoryInfo(deviceAllocator, defaultMemory, out),
  );
  foundation = { api, env, cpuMemory, subnormals: subnormalFlush() };
  return foundation;
}

function create(api: OrtApi, doing: string, call: () => Status): Address {
  check(api, call(), doing);
  return out[0]!;
}

export interface SessionOptions {
  /** Intra-op threads. */
  threads: number;
  /** `cpu` where it is left out. */
  device?: OnnxDevice | undefined;
  /** Beginning of the name of a profile of every run, which `endProfile` completes; none by default. */
  profilePrefix?: string | undefined;
}

/** A loaded model. Runs on it may overlap, from any thread of the process. */
export class NativeSession {
  readonly api: OrtApi;
  readonly address: Address;
  /** Threads the session created; empty with one intra-op thread, `null` where they cannot be known. */
  readonly threadIds: readonly number[] | null;
  /** To be switched around runs on the calling thread; the session's own threads flush by themselves. */
  readonly subnormals: SubnormalFlush | null;
  readonly device: OnnxDevice;
  readonly #cpuMemory: Address;
  readonly #owned: boolean;
  #closed = false;

  private constructor(
    address: Address,
    threadIds: readonly number[] | null,
    { owned, device }: { owned: boolean; device: OnnxDevice },
  ) {
    const { api, cpuMemory, subnormals } = runtime();
    this.api = api;
    this.subnormals = subnormals;
    this.address = address;
    this.threadIds = threadIds;
    this.#cpuMemory = cpuMemory;
    this.#owned = owned;
    this.device = device;
  }

  /**
   * Loads `model`, a path or a serialised ModelProto, with `threads` intra-op threads that do not spin,
   * and without the memory arena or memory patterns: the one keeps a request's memory for the next, the
   * other remembers a plan for every length it meets. On a GPU, nodes that its provider does not run fall
   * back to the CPU. Throws TokenworkError as `openingError` says, or `device-unavailable`.
   */
  static load(model: string | Uint8Array, options: SessionOptions): NativeSession {
    const load = () => NativeSession.#load(model, options);
    return options.device === 'webgpu' ? holdDevice(load) : load();
  }

  static #load(model: string | Uint8Array, sessionOptions: SessionOptions): NativeSession {
    const { threads, device = 'cpu', profilePrefix } = sessionOptions;
    const { api, env, subnormals } = runtime();
    const options = create(api, 'creating session options', () => api.createSessionOptions(out));
    try {
      const set = (status: Status) => check(api, status, 'setting session options');
      set(api.setIntraOpNumThreads(options, threads));
      set(api.setInterOpNumThreads(options, 1));
      set(api.disableCpuMemArena(options));
      set(api.disableMemPattern(options));
      set(api.setSessionLogSeverityLevel(options, fatalSeverity));
      set(api.addSessionConfigEntry(options, 'session.intra_op.allow_spinning', '0'));
      if (subnormals) set(api.addSessionConfigEntry(options, 'session.set_denormal_as_zero', '1'));
      if (device !== 'cpu') appendProvider(api, options, device);
      if (profilePrefix !== undefined) set(api.enableProfiling(options, profilePrefix));
      // Drivers start threads of their own, now and later.
      const watch = threads > 1 && device === 'cpu' ? watchThreads() : null;
      const status =
        typeof model === 'string'
          ? api.createSession(env, model, options, out)
          : api.createSessionFromArray(env, model, model.byteLength, options, out);
      const threadIds = device === 'cpu' ? (watch === null ? [] : watch.created()) : null;
      // The first session of a process switches the thread that opens it, too.
      subnormals?.end();
      if (status !== null) {
        const message = api.getErrorMessage(status);
        api.releaseStatus(status);
        const failure = device === 'cpu' ? null : deviceFailure(message);
        throw failure ?? openingError(typeof model === 'string' ? model : 'the model in memory', message);
      }
      return new NativeSession(out[0]!, threadIds, { owned: true, device });
    } finally {
      api.releaseSessionOptions(options);
    }
  }

  /** The session that another thread of this process loaded, and will close after this one. */
  static share(address: Address, device: OnnxDevice = 'cpu'): NativeSession {
    return new NativeSession(address, device === 'cpu' ? [] : null, { owned: false, device });
  }

  /** A tensor over memory of ours; the caller keeps the memory, and releases the value. */
  tensor(data: Address, bytes: number, shape: BigInt64Array, type: number): Address {
    const { api } = this;
    const status = api.createTensorWithDataAsOrtValue(
      this.#cpuMemory,
      data,
      bytes,
      shape,
      shape.length,
      type,
      out,
    );
    check(api, status, 'creating a tensor');
    return out[0]!;
  }

  /** Number of elements and address of the data of a tensor that ONNX Runtime allocated. */
  tensorData(value: Address): { elements: number; address: Address } {
    const { api } = this;
    const info = create(api, 'reading an output', () => api.getTensorTypeAndShape(value, out));
    const counted = api.getTensorShapeElementCount(info, out);
    const elements = Number(out[0]!);
    api.releaseTensorTypeAndShapeInfo(info);
    check(api, counted, 'reading an output');
    const address = create(api, 'reading an output', () => api.getTensorMutableData(value, out));
    return { elements, address };
  }

  /** Runs `use` while no other thread uses the device, where it takes that (see `holdDevice`). */
  exclusively<Value>(use: () => Value): Value {
    return this.device === 'webgpu' ? holdDevice(use) : use();
  }

  /** Writes the profile that was asked for when loading, and returns its path. */
  endProfile(): string {
    const { api } = this;
    const allocator = create(api, 'finding its allocator', () => api.getAllocatorWithDefaultOptions(out));
    const name = create(api, 'writing a profile', () =>
      api.sessionEndProfiling(this.address, allocator, out),
    );
    const file: string = koffi.decode(name, 'char', -1);
    check(api, api.allocatorFree(allocator, name), 'writing a profile');
    return file;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#owned) this.exclusively(() => this.api.releaseSession(this.address));
  }
}
