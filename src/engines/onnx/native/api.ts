/**
 * native/ runs models through ONNX Runtime's C API, called with koffi on the library that
 * onnxruntime-node ships. This file is the table of entry points and nothing more.
 *
 * The API is a struct of function pointers that only ever grows at its end. The indices are those of
 * `struct OrtApi` in onnxruntime_c_api.h; all of them exist since API version 13 (ONNX Runtime 1.13).
 */

import { basename } from 'node:path';
import koffi from 'koffi';
import { TokenworkError } from '../../../core/errors.js';
import { log } from '../../../core/log.js';
import { loadPinned } from '../../pinned-library.js';
import { deviceFailure } from '../gpu/failure.js';
import { libraryPath } from './library.js';

/** The address of a native object. */
export type Address = bigint;
/** Memory to pass by address: an address, or a typed array's own memory for the length of the call. */
type Pointer = Address | NodeJS.TypedArray;
/** `null` is success; anything else must go through `check`, which frees it. */
export type Status = Address | null;
/** A place that a function writes the address to which it returns. */
type Out = BigUint64Array;

export interface OrtApi {
  readonly version: string;
  getErrorCode(status: Address): number;
  getErrorMessage(status: Address): string;
  createEnv(severity: number, logId: string, out: Out): Status;
  createSession(env: Address, path: string, options: Address, out: Out): Status;
  createSessionFromArray(env: Address, data: Pointer, bytes: number, options: Address, out: Out): Status;
  run(
    session: Address,
    options: Address | null,
    inputNames: Pointer,
    inputs: Pointer,
    inputCount: number,
    outputNames: Pointer,
    outputCount: number,
    outputs: Pointer,
  ): Status;
  createSessionOptions(out: Out): Status;
  enableProfiling(options: Address, filePrefix: string): Status;
  disableMemPattern(options: Address): Status;
  disableCpuMemArena(options: Address): Status;
  setSessionLogSeverityLevel(options: Address, level: number): Status;
  setIntraOpNumThreads(options: Address, threads: number): Status;
  setInterOpNumThreads(options: Address, threads: number): Status;
  createRunOptions(out: Out): Status;
  runOptionsSetRunLogSeverityLevel(options: Address, level: number): Status;
  runOptionsSetTerminate(options: Address): Status;
  runOptionsUnsetTerminate(options: Address): Status;
  createTensorAsOrtValue(
    allocator: Address,
    shape: BigInt64Array,
    rank: number,
    elementType: number,
    out: Out,
  ): Status;
  createTensorWithDataAsOrtValue(
    memory: Address,
    data: Pointer,
    bytes: number,
    shape: BigInt64Array,
    rank: number,
    elementType: number,
    out: Out,
  ): Status;
  getTensorMutableData(value: Address, out: Out): Status;
  getTensorShapeElementCount(info: Address, out: Out): Status;
  getTensorTypeAndShape(value: Address, out: Out): Status;
  createMemoryInfo(name: string, allocatorType: number, id: number, memoryType: number, out: Out): Status;
  createCpuMemoryInfo(allocatorType: number, memoryType: number, out: Out): Status;
  allocatorFree(allocator: Address, memory: Address): Status;
  getAllocatorWithDefaultOptions(out: Out): Status;
  releaseStatus(status: Address): void;
  releaseSession(session: Address): void;
  releaseValue(value: Address): void;
  releaseTensorTypeAndShapeInfo(info: Address): void;
  releaseSessionOptions(options: Address): void;
  sessionEndProfiling(session: Address, allocator: Address, out: Out): Status;
  getAvailableProviders(out: Out, count: Int32Array): Status;
  releaseAvailableProviders(names: Address, count: number): Status;
  addSessionConfigEntry(options: Address, key: string, value: string): Status;
  createAllocator(session: Address, memory: Address, out: Out): Status;
  releaseAllocator(allocator: Address): void;
  appendCudaProvider(options: Address, cudaOptions: Address): Status;
  createCudaProviderOptions(out: Out): Status;
  releaseCudaProviderOptions(cudaOptions: Address): void;
  appendProvider(options: Address, name: string, keys: Pointer, values: Pointer, count: number): Status;
}

type Signature = [index: number, result: string, parameters: string[]];
const pointer = 'void *';
/** Paths are wide strings on Windows (ORTCHAR_T). */
const path = process.platform === 'win32' ? 'str16' : 'str';

const signatures: Record<Exclude<keyof OrtApi, 'version'>, Signature> = {
  getErrorCode: [1, 'int', [pointer]],
  getErrorMessage: [2, 'str', [pointer]],
  createEnv: [3, pointer, ['int', 'str', pointer]],
  createSession: [7, pointer, [pointer, path, pointer, pointer]],
  createSessionFromArray: [8, pointer, [pointer, pointer, 'size_t', pointer, pointer]],
  run: [9, pointer, [pointer, pointer, pointer, pointer, 'size_t', pointer, 'size_t', pointer]],
  createSessionOptions: [10, pointer, [pointer]],
  enableProfiling: [14, pointer, [pointer, path]],
  disableMemPattern: [17, pointer, [pointer]],
  disableCpuMemArena: [19, pointer, [pointer]],
  setSessionLogSeverityLevel: [22, pointer, [pointer, 'int']],
  setIntraOpNumThreads: [24, pointer, [pointer, 'int']],
  setInterOpNumThreads: [25, pointer, [pointer, 'int']],
  createRunOptions: [39, pointer, [pointer]],
  runOptionsSetRunLogSeverityLevel: [41, pointer, [pointer, 'int']],
  runOptionsSetTerminate: [46, pointer, [pointer]],
  runOptionsUnsetTerminate: [47, pointer, [pointer]],
  createTensorAsOrtValue: [48, pointer, [pointer, pointer, 'size_t', 'int', pointer]],
  createTensorWithDataAsOrtValue: [
    49,
    pointer,
    [pointer, pointer, 'size_t', pointer, 'size_t', 'int', pointer],
  ],
  getTensorMutableData: [51, pointer, [pointer, pointer]],
  getTensorShapeElementCount: [64, pointer, [pointer, pointer]],
  getTensorTypeAndShape: [65, pointer, [pointer, pointer]],
  createMemoryInfo: [68, pointer, ['str', 'int', 'int', 'int', pointer]],
  createCpuMemoryInfo: [69, pointer, ['int', 'int', pointer]],
  allocatorFree: [76, pointer, [pointer, pointer]],
  getAllocatorWithDefaultOptions: [78, pointer, [pointer]],
  releaseStatus: [93, 'void', [pointer]],
  releaseSession: [95, 'void', [pointer]],
  releaseValue: [96, 'void', [pointer]],
  releaseTensorTypeAndShapeInfo: [99, 'void', [pointer]],
  releaseSessionOptions: [100, 'void', [pointer]],
  sessionEndProfiling: [110, pointer, [pointer, pointer, pointer]],
  getAvailableProviders: [125, pointer, [pointer, pointer]],
  releaseAvailableProviders: [126, pointer, [pointer, 'int']],
  addSessionConfigEntry: [130, pointer, [pointer, 'str', 'str']],
  createAllocator: [131, pointer, [pointer, pointer, pointer]],
  releaseAllocator: [132, 'void', [pointer]],
  appendCudaProvider: [204, pointer, [pointer, pointer]],
  createCudaProviderOptions: [205, pointer, [pointer]],
  releaseCudaProviderOptions: [208, 'void', [pointer]],
  appendProvider: [216, pointer, [pointer, 'str', pointer, pointer, 'size_t']],
};
const apiVersion = 13;
const tableLength = 217;

/** Log and error severities of ONNX Runtime: errors come back as statuses, so only the fatal is logged. */
export const fatalSeverity = 4;

let loaded: OrtApi | undefined;

/**
 * The C API of the installed ONNX Runtime, loaded once per thread. Throws TokenworkError
 * `native-unavailable` where the library, or koffi itself, does not load on this platform.
 */
export function ortApi(): OrtApi {
  loaded ??= load();
  return loaded;
}

function load(): OrtApi {
  const file = libraryPath();
  try {
    const base = loadPinned(file).func('OrtGetApiBase', pointer, [])();
    const [getApi, getVersionString] = koffi.decode(base, pointer, 2);
    const version: string = koffi.decode(getVersionString, koffi.proto('str', []))();
    log('library %s: ONNX Runtime %s', basename(file), version);
    const api = koffi.decode(getApi, koffi.proto(pointer, ['uint32_t']))(apiVersion);
    if (api === null) throw new Error(`ONNX Runtime ${version} does not offer API version ${apiVersion}`);
    const table = koffi.decode(api, pointer, tableLength);
    const functions = Object.entries(signatures).map(([name, [index, result, parameters]]) => [
      name,
      koffi.decode(table[index], koffi.proto(result, parameters)),
    ]);
    return { version, ...Object.fromEntries(functions) } as OrtApi;
  } catch (cause) {
    throw new TokenworkError(
      'native-unavailable',
      `ONNX Runtime's C API does not load from ${file}.`,
      'Run with --backend node, which needs only the Node binding.',
      { cause },
    );
  }
}

/**
 * Frees a failed status and throws it as TokenworkError `terminated` where the run was stopped,
 * `device-lost` or `device-out-of-memory` where a GPU failed, else `engine-failed`; `doing` says what did.
 */
export function check(api: OrtApi, status: Status, doing: string): void {
  if (status === null) return;
  const message = api.getErrorMessage(status);
  api.releaseStatus(status);
  if (message.includes('terminate flag'))
    throw new TokenworkError('terminated', 'The request was stopped while it ran.', 'Run it again.');
  const failure = deviceFailure(message);
  if (failure) throw failure;
  throw new TokenworkError(
    'engine-failed',
    `ONNX Runtime failed ${doing}: ${message.trim()}`,
    'Check that the model runs in ONNX Runtime with these lengths, or try another dtype or graph variant.',
  );
}
