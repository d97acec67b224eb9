import { TokenworkError } from '../../../core/errors.js';
import type { EngineRecord } from '../../../core/records/model.js';
import type { OnnxDevice } from '../../engine.js';
import { NativeSession } from './session.js';

export interface NativeOptions {
  threads: number;
  /** `cpu` where it is left out. */
  device?: OnnxDevice | undefined;
  /** Beginning of the name of a profile of every run; none by default. */
  profilePrefix?: string | undefined;
  /** The session of another thread, to take part in. */
  sharedHandle?: bigint;
  backendReason: string;
}

/**
 * Loads the model, or takes part in the session at `sharedHandle`. Throws TokenworkError
 * `shared-session-threads` where that session would have threads of its own, or as `NativeSession.load`.
 */
export function openSession(onnxPath: string, options: NativeOptions): NativeSession {
  const { threads, device = 'cpu', sharedHandle, profilePrefix } = options;
  if (sharedHandle === undefined) return NativeSession.load(onnxPath, { threads, device, profilePrefix });
  if (threads > 1 && device === 'cpu')
    throw new TokenworkError(
      'shared-session-threads',
      'A shared session runs on the threads of its users: it cannot have several of its own.',
      'Share sessions with one intra-op thread only.',
    );
  return NativeSession.share(sharedHandle, device);
}

/** The record of this back end in results. */
export function nativeRecord(session: NativeSession, options: NativeOptions): EngineRecord {
  return {
    name: 'onnx',
    backend: 'native',
    backendReason: options.backendReason,
    device: session.device,
    threads: options.threads,
    sharedSession: options.sharedHandle !== undefined,
    version: session.api.version,
    subnormals: session.subnormals === null ? 'kept' : 'flushed',
  };
}
