/**
 * The functions of llama.cpp that are called, through koffi, on the libraries of the pinned packages. The
 * packages' own JavaScript is not used: it batches and computes on threads of its own, and so hides what a
 * request costs.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { loadPinned } from '../pinned-library.js';
import { findLlama, LLAMA_VERSION, type LlamaFiles } from './packages.js';
import { batch, checkLayout, contextParams, type Fields, modelParams, threadpoolParams } from './structs.js';

/** The address of a native object. */
export type Address = bigint;

export interface LlamaApi {
  /** As the library names it: `0.5.0-dev`. */
  readonly version: string;
  readonly files: LlamaFiles;
  readonly modelDefaults: Fields;
  readonly contextDefaults: Fields;
  loadBackEnd(file: string): Address | null;
  deviceCount(): number;
  device(index: number): Address;
  deviceName(device: Address): string;
  deviceDescription(device: Address): string;
  deviceType(device: Address): number;
  deviceMemory(device: Address, free: BigUint64Array, total: BigUint64Array): void;
  deviceBackEnd(device: Address): Address;
  backEndName(backEnd: Address): string;
  backEndFunction(backEnd: Address, name: string): Address | null;
  loadModel(path: string, params: Fields): Address | null;
  loadParts(paths: BigUint64Array, count: number, params: Fields): Address | null;
  freeModel(model: Address): void;
  vocabularyOf(model: Address): Address;
  chatTemplate(model: Address, name: null): string | null;
  isRecurrent(model: Address): boolean;
  isHybrid(model: Address): boolean;
  hasEncoder(model: Address): boolean;
  embeddingLength(model: Address): number;
  vocabularySize(vocabulary: Address): number;
  beginningToken(vocabulary: Address): number;
  endToken(vocabulary: Address): number;
  tokenText(vocabulary: Address, token: number): string;
  tokenize(
    vocabulary: Address,
    text: Uint8Array,
    bytes: number,
    tokens: Int32Array,
    room: number,
    addSpecial: boolean,
    parseSpecial: boolean,
  ): number;
  detokenize(
    vocabulary: Address,
    tokens: Int32Array,
    count: number,
    text: Uint8Array,
    room: number,
    removeSpecial: boolean,
    unparseSpecial: boolean,
  ): number;
  createContext(model: Address, params: Fields): Address | null;
  freeContext(context: Address): void;
  contextLength(context: Address): number;
  memoryOf(context: Address): Address;
  attachThreads(context: Address, pool: Address, batchPool: Address): void;
  decode(context: Address, batch: Fields): number;
  logitsOf(context: Address): Address;
  embeddingsOf(context: Address, sequence: number): Address | null;
  synchronize(context: Address): void;
  clearMemory(memory: Address, data: boolean): void;
  removeFrom(memory: Address, sequence: number, from: number, to: number): boolean;
  copySequence(memory: Address, from: number, to: number, begin: number, end: number): void;
  stateSize(context: Address, sequence: number): number;
  readState(context: Address, target: Uint8Array, bytes: number, sequence: number): number;
  writeState(context: Address, source: Uint8Array, bytes: number, sequence: number): number;
  threadpoolDefaults(threads: number): Fields;
}

type Parameters_ = readonly (string | typeof batch)[];
type Signature = [
  library: 'llama' | 'ggml' | 'ggmlBase',
  name: string,
  result: string,
  parameters: Parameters_,
];
const pointer = 'void *';

const signatures: Record<
  Exclude<keyof LlamaApi, 'version' | 'files' | 'modelDefaults' | 'contextDefaults' | 'threadpoolDefaults'>,
  Signature
> = {
  loadBackEnd: ['ggml', 'ggml_backend_load', pointer, ['str']],
  deviceCount: ['ggml', 'ggml_backend_dev_count', 'size_t', []],
  device: ['ggml', 'ggml_backend_dev_get', pointer, ['size_t']],
  deviceName: ['ggmlBase', 'ggml_backend_dev_name', 'str', [pointer]],
  deviceDescription: ['ggmlBase', 'ggml_backend_dev_description', 'str', [pointer]],
  deviceType: ['ggmlBase', 'ggml_backend_dev_type', 'int', [pointer]],
  deviceMemory: ['ggmlBase', 'ggml_backend_dev_memory', 'void', [pointer, pointer, pointer]],
  deviceBackEnd: ['ggmlBase', 'ggml_backend_dev_backend_reg', pointer, [pointer]],
  backEndName: ['ggmlBase', 'ggml_backend_reg_name', 'str', [pointer]],
  backEndFunction: ['ggmlBase', 'ggml_backend_reg_get_proc_address', pointer, [pointer, 'str']],
  loadModel: ['llama', 'llama_model_load_from_file', pointer, ['str', modelParams]],
  loadParts: ['llama', 'llama_model_load_from_splits', pointer, [pointer, 'size_t', modelParams]],
  freeModel: ['llama', 'llama_model_free', 'void', [pointer]],
  vocabularyOf: ['llama', 'llama_model_get_vocab', pointer, [pointer]],
  chatTemplate: ['llama', 'llama_model_chat_template', 'str', [pointer, 'str']],
  isRecurrent: ['llama', 'llama_model_is_recurrent', 'bool', [pointer]],
  isHybrid: ['llama', 'llama_model_is_hybrid', 'bool', [pointer]],
  hasEncoder: ['llama', 'llama_model_has_encoder', 'bool', [pointer]],
  embeddingLength: ['llama', 'llama_model_n_embd_out', 'int32', [pointer]],
  vocabularySize: ['llama', 'llama_vocab_n_tokens', 'int32', [pointer]],
  beginningToken: ['llama', 'llama_vocab_bos', 'int32', [pointer]],
  endToken: ['llama', 'llama_vocab_eos', 'int32', [pointer]],
  tokenText: ['llama', 'llama_vocab_get_text', 'str', [pointer, 'int32']],
  tokenize: [
    'llama',
    'llama_tokenize',
    'int32',
    [pointer, pointer, 'int32', pointer, 'int32', 'bool', 'bool'],
  ],
  detokenize: [
    'llama',
    'llama_detokenize',
    'int32',
    [pointer, pointer, 'int32', pointer, 'int32', 'bool', 'bool'],
  ],
  createContext: ['llama', 'llama_init_from_model', pointer, [pointer, contextParams]],
  freeContext: ['llama', 'llama_free', 'void', [pointer]],
  contextLength: ['llama', 'llama_n_ctx_seq', 'uint32', [pointer]],
  memoryOf: ['llama', 'llama_get_memory', pointer, [pointer]],
  attachThreads: ['llama', 'llama_attach_threadpool', 'void', [pointer, pointer, pointer]],
  decode: ['llama', 'llama_decode', 'int32', [pointer, batch]],
  logitsOf: ['llama', 'llama_get_logits', pointer, [pointer]],
  embeddingsOf: ['llama', 'llama_get_embeddings_seq', pointer, [pointer, 'int32']],
  synchronize: ['llama', 'llama_synchronize', 'void', [pointer]],
  clearMemory: ['llama', 'llama_memory_clear', 'void', [pointer, 'bool']],
  removeFrom: ['llama', 'llama_memory_seq_rm', 'bool', [pointer, 'int32', 'int32', 'int32']],
  copySequence: ['llama', 'llama_memory_seq_cp', 'void', [pointer, 'int32', 'int32', 'int32', 'int32']],
  stateSize: ['llama', 'llama_state_seq_get_size', 'size_t', [pointer, 'int32']],
  readState: ['llama', 'llama_state_seq_get_data', 'size_t', [pointer, pointer, 'size_t', 'int32']],
  writeState: ['llama', 'llama_state_seq_set_data', 'size_t', [pointer, pointer, 'size_t', 'int32']],
};

let loaded: LlamaApi | undefined;
let silent = true;

/** Lets llama.cpp log to stderr, in a process whose stderr is read: what it loads and why not. */
export function keepNativeLog(): void {
  silent = false;
}

/**
 * llama.cpp as it is installed, loaded once per thread, with its back ends for the CPU. Throws TokenworkError
 * `llama-unavailable` where its package is not there, is of another version, or does not load.
 */
export function llamaApi(): LlamaApi {
  loaded ??= load(findLlama('cpu') ?? findLlama('vulkan') ?? findLlama('cuda') ?? findLlama('metal'));
  return loaded;
}

function load(files: LlamaFiles | null): LlamaApi {
  if (files === null)
    throw new TokenworkError(
      'llama-unavailable',
      `No library of llama.cpp is installed for ${process.platform}/${process.arch}.`,
      'Install it: npm run setup:gpu -- --device cpu.',
    );
  if (files.version !== LLAMA_VERSION)
    throw new TokenworkError(
      'llama-unavailable',
      `The installed llama.cpp is of the packages ${files.version}, and tokenwork calls those of ${LLAMA_VERSION}.`,
      'Install the packages anew: npm ci, then npm run setup:gpu.',
    );
  try {
    return bind(files);
  } catch (cause) {
    if (cause instanceof TokenworkError) throw cause;
    throw new TokenworkError(
      'llama-unavailable',
      `llama.cpp does not load from ${files.folder}: ${messageOf(cause)}`,
      'Install the packages anew: npm ci, then npm run setup:gpu.',
      { cause },
    );
  }
}

function bind(files: LlamaFiles): LlamaApi {
  // libggml and libllama find the ones before them by their own folder; in this order they are found anyway.
  const libraries: Record<Signature[0], LibraryHandle> = {
    ggmlBase: loadPinned(files.ggmlBase),
    ggml: loadPinned(files.ggml),
    llama: loadPinned(files.llama),
  };
  const { llama, ggml, ggmlBase } = libraries;
  // Its log goes to stderr, where progress is drawn; a C function that does nothing takes it instead.
  if (silent) llama.func('llama_log_set', 'void', [pointer, pointer])(cFunction('getpid'), null);
  // Back ends are the process's, and a second worker thread must not register them again.
  const isFirst = Number(ggml.func('ggml_backend_dev_count', 'size_t', [])()) === 0;
  if (isFirst) ggml.func('ggml_backend_load_all_from_path', 'void', ['str'])(files.folder);
  if (isFirst) llama.func('llama_backend_init', 'void', [])();
  const modelDefaults: Fields = llama.func('llama_model_default_params', modelParams, [])();
  const contextDefaults: Fields = llama.func('llama_context_default_params', contextParams, [])();
  checkLayout(modelDefaults, contextDefaults);
  const version: string = llama.func('llama_version', 'str', [])();
  log('llama.cpp %s of %s', version, files.folder);
  const functions = Object.entries(signatures).map(([name, [library, symbol, result, parameters]]) => [
    name,
    libraries[library].func(symbol, result, [...parameters]),
  ]);
  const threadpoolDefaults = ggmlBase.func('ggml_threadpool_params_default', threadpoolParams, ['int']);
  return {
    version,
    files,
    modelDefaults,
    contextDefaults,
    threadpoolDefaults,
    ...Object.fromEntries(functions),
  } as LlamaApi;
}

/** The address of a function of the C library, for native code to call. */
export function cFunction(name: 'atoi' | 'getpid'): Address {
  if (process.platform === 'win32') {
    const kernel = koffi.load('kernel32.dll');
    const module = kernel.func('LoadLibraryA', pointer, ['str'])('msvcrt.dll');
    return kernel.func('GetProcAddress', pointer, [pointer, 'str'])(
      module,
      name === 'getpid' ? '_getpid' : name,
    );
  }
  // RTLD_DEFAULT: 0 with glibc and musl, −2 on macOS.
  const everywhere = process.platform === 'darwin' ? 0xffff_ffff_ffff_fffen : null;
  return koffi.load(null).func('dlsym', pointer, [pointer, 'str'])(everywhere, name);
}
