/**
 * The thread in which `@huggingface/transformers` downloads a repository into its file cache.
 *
 * The library fetches a model's weights only on the way to an inference session, which would hold them in
 * memory and start a runtime that is not the measured one. It lets a host bring its own ONNX Runtime,
 * though, under a global symbol: here one whose sessions are empty. A thread of its own keeps that
 * stand-in, the library's settings and its memory of what exists away from the rest of the process, and
 * confines the error event with which a full disk would otherwise end the process.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { DataType, ProgressInfo } from '@huggingface/transformers';
import { authorisedFetch, type DownloadFailure, failureOf } from './fetch.js';

export interface DownloadRequest {
  repo: string;
  revision: string;
  remoteHost: string;
  /** The user's access token. */
  token: string | null;
  cacheDirectory: string;
  /** Time that the server may send nothing. */
  silenceMs: number;
  /** The dtype's names in the library, in order of preference; null: the most exact there is. */
  wanted: string[] | null;
}

export type DownloadReport =
  /** `fraction` is of all files of the model, the bytes of this one. */
  | { kind: 'progress'; fraction: number; file: string; loadedBytes: number; totalBytes: number }
  /**
   * `available`: most exact first, in the library's names. `sizes`: bytes of the model's files as the
   * server announces them, null where it does not.
   */
  | { kind: 'done'; available: string[]; sizes: Record<string, number | null> }
  | { kind: 'failed'; failure: DownloadFailure };

const mostExactFirst = ['fp32', 'fp16', 'int8', 'q8', 'q4'];

class Refusal extends Error {
  readonly failure: DownloadFailure;

  constructor(failure: DownloadFailure) {
    super(failure.reason);
    this.failure = failure;
  }
}

async function download(request: DownloadRequest): Promise<DownloadReport> {
  const { repo, remoteHost } = request;
  Object.assign(globalThis, { [Symbol.for('onnxruntime')]: emptyRuntime() });
  const { AutoConfig, AutoModelForCausalLM, AutoTokenizer, env, LogLevel, ModelRegistry } = await import(
    '@huggingface/transformers'
  );
  env.remoteHost = remoteHost;
  // Some of the library's questions name no revision, so it is written into the address of all of them.
  env.remotePathTemplate = `{model}/resolve/${encodeURIComponent(request.revision)}/`;
  env.cacheDir = request.cacheDirectory;
  env.allowLocalModels = false;
  env.logLevel = LogLevel.NONE;
  // The library reads "not there" as an answer, save of a config, which every model has.
  env.fetch = authorisedFetch(request, (url) => !url.endsWith('/config.json'));

  const reporting = { progress_callback: report };
  const config = await AutoConfig.from_pretrained(repo, reporting);
  if (!AutoModelForCausalLM.supports(config.model_type ?? '')) {
    throw new Refusal({ reason: 'unsupported', message: `its model_type is "${config.model_type}"` });
  }
  const available = await ModelRegistry.get_available_dtypes(repo, { config });
  available.sort((a, b) => rank(a) - rank(b));
  const dtype = (request.wanted ?? available).find((name) => available.includes(name)) as
    | DataType
    | undefined;
  if (dtype === undefined) throw new Refusal({ reason: 'dtype-missing', available });
  if ((await ModelRegistry.get_tokenizer_files(repo)).length === 0)
    throw new Refusal({ reason: 'no-tokenizer' });

  await AutoTokenizer.from_pretrained(repo, reporting);
  // Without a device the library asks its own list for "cpu", which a runtime of the host's leaves empty.
  const choice = { config, dtype, device: 'auto' } as const;
  const sizes: Record<string, number | null> = {};
  for (const file of await ModelRegistry.get_model_files(repo, choice))
    sizes[file] = (await ModelRegistry.get_file_metadata(repo, file)).size ?? null;
  await AutoModelForCausalLM.from_pretrained(repo, { ...choice, ...reporting });
  return { kind: 'done', available, sizes };
}

function rank(dtype: string): number {
  const index = mostExactFirst.indexOf(dtype);
  return index < 0 ? mostExactFirst.length : index;
}

function emptyRuntime() {
  const session = { inputNames: [], outputNames: [], release: async () => {} };
  return { InferenceSession: { create: async () => session }, Tensor: class {}, env: {} };
}

let fraction = 0;
function report(info: ProgressInfo): void {
  if (info.status === 'progress_total') fraction = info.total > 0 ? info.loaded / info.total : 0;
  if (info.status !== 'progress') return;
  post({ kind: 'progress', fraction, file: info.file, loadedBytes: info.loaded, totalBytes: info.total });
}

function post(message: DownloadReport): void {
  parentPort!.postMessage(message);
}

try {
  post(await download(workerData as DownloadRequest));
} catch (thrown) {
  post({ kind: 'failed', failure: thrown instanceof Refusal ? thrown.failure : failureOf(thrown) });
}
