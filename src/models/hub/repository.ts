import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { markUse } from '../cache/uses.js';
import type { Dtype } from '../dtype.js';
import type { DownloadReport, DownloadRequest } from './download.js';
import { type HubRepo, hubError, keepsFinishedFiles } from './failure.js';
import { checkReceipts, inspectDownload, removeLeftovers, removeUnproven, writeReceipt } from './receipt.js';

/** `fraction` is of the whole model; the bytes are of `file`. */
export interface DownloadProgress {
  fraction: number;
  message: string;
  file: string;
  loadedBytes: number;
  totalBytes: number;
}

export interface DownloadOptions {
  dtype?: Dtype | undefined;
  cacheDirectory: string;
  /** Time that the hub may send nothing before it is given up. */
  silenceMs?: number;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** A downloaded model; `available` are the dtypes its repository has, most exact first. */
export interface Download {
  directory: string;
  dtype: string;
  available: string[];
}

/** The library's name for the files of a dtype. */
const libraryNames: Record<Dtype, string[]> = {
  fp32: ['fp32'],
  fp16: ['fp16'],
  int8: ['int8', 'q8'],
  q4: ['q4'],
};

/** The repository a spec (`hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`) names. Throws `bad-hub-spec`. */
export function parseHubSpec(spec: string): { repo: string; revision: string } {
  const match = /^hf:([\w.-]+(?:\/[\w.-]+)?)(?:@([\w.-]+(?:\/[\w.-]+)*))?$/.exec(spec);
  if (!match || /\.\.|--/.test(match[1]!) || match[2]?.includes('..')) {
    throw new TokenworkError(
      'bad-hub-spec',
      `"${spec}" names no repository of the hub.`,
      'Write hf:OWNER/NAME, such as hf:HuggingFaceTB/SmolLM2-135M-Instruct, or hf:OWNER/NAME@REVISION.',
    );
  }
  return { repo: match[1]!, revision: match[2] ?? 'main' };
}

/**
 * Downloads a repository's config, tokenizer and one ONNX decoder into the cache, unless it is there
 * already, and returns the folder (transformers.js layout) and the dtype. The host is HF_ENDPOINT or the
 * library's own `env.remoteHost`; HF_TOKEN is sent to it. A branch is not asked again once it is here.
 * Throws TokenworkError `hub-unreachable`, `hub-not-found`, `hub-unauthorised`, `hub-forbidden`,
 * `hub-error`, `download-interrupted`, `download-damaged`, `download-failed`, `disk-full`,
 * `cache-unwritable`, `dtype-missing`, `no-onnx`, `no-tokenizer`, `unsupported-architecture`, `not-a-decoder`, `external-data-missing` or
 * `aborted`.
 */
export async function downloadRepo(spec: string, options: DownloadOptions): Promise<Download> {
  const { repo, revision } = parseHubSpec(spec);
  if (options.signal?.aborted) throw downloadAborted(repo, options.signal);
  const remoteHost = await findRemoteHost();
  const hub: HubRepo = { repo, revision, remoteHost };
  const host = new URL(remoteHost).host.replace(/[^\w.-]/g, '_');
  const cacheDirectory = join(options.cacheDirectory, 'hub', host, encodeURIComponent(revision));
  const directory = join(cacheDirectory, repo);
  await markUse(options.cacheDirectory, directory);
  return oneAtATime(directory, () => downloadInto(directory, { ...hub, cacheDirectory }, options));
}

async function downloadInto(
  directory: string,
  hub: HubRepo & { cacheDirectory: string },
  options: DownloadOptions,
): Promise<Download> {
  const { repo } = hub;
  const receipts = await checkReceipts(directory);
  const known = receipts.find(({ dtype, available }) => dtype === (options.dtype ?? available[0]));
  if (known) return { directory, ...known };

  await removeLeftovers(directory);
  const wanted = options.dtype === undefined ? null : libraryNames[options.dtype];
  const token = process.env.HF_TOKEN || null;
  const report = await runDownload(
    { ...hub, token, wanted, silenceMs: options.silenceMs ?? 30_000 },
    options,
  ).finally(() => removeLeftovers(directory));
  if (report.kind === 'failed') {
    if (!keepsFinishedFiles(report.failure)) await removeUnproven(directory, receipts);
    throw await hubError(report.failure, hub, options.cacheDirectory);
  }
  try {
    const receipt = await inspectDownload(directory, report);
    await writeReceipt(directory, receipt);
    return { directory, ...receipt };
  } catch (cause) {
    if (!(cause instanceof TokenworkError)) {
      const { message, code = null } = cause as NodeJS.ErrnoException;
      throw await hubError({ reason: 'error', message, code }, hub, options.cacheDirectory);
    }
    // Not damage but what the repository is like: to download it again would change nothing.
    if (cause.code === 'not-a-decoder' || cause.code === 'external-data-missing') throw cause;
    await removeUnproven(directory, receipts);
    throw new TokenworkError(
      'download-damaged',
      `The download of ${repo} is not whole: ${cause.message}`,
      'The damaged files were removed: run the command again.',
      { cause },
    );
  }
}

const running = new Map<string, Promise<unknown>>();

/** Two downloads of one repository in this process would take each other's files for leftovers. */
export async function oneAtATime<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
  const before = running.get(key) ?? Promise.resolve();
  const mine = before.then(task, task);
  running.set(key, mine);
  try {
    return await mine;
  } finally {
    if (running.get(key) === mine) running.delete(key);
  }
}

/** Address of the hub: HF_ENDPOINT, or the library's own. Throws TokenworkError `bad-endpoint`. */
export async function findRemoteHost(): Promise<string> {
  const endpoint = process.env.HF_ENDPOINT;
  const host = endpoint || (await libraryHost());
  try {
    return new URL(host).href;
  } catch (cause) {
    throw new TokenworkError(
      'bad-endpoint',
      `"${host}" is no address of a hub.`,
      'Set HF_ENDPOINT to a full address such as https://huggingface.co, or unset it.',
      { cause },
    );
  }
}

/** The library loads ONNX Runtime with itself, which not every system has. */
async function libraryHost(): Promise<string> {
  try {
    return (await import('@huggingface/transformers')).env.remoteHost;
  } catch (cause) {
    throw new TokenworkError(
      'bad-endpoint',
      `@huggingface/transformers, which knows the hub's address, does not load: ${messageOf(cause)}.`,
      'Set HF_ENDPOINT to https://huggingface.co to download GGUF models without it.',
      { cause },
    );
  }
}

type Outcome = Exclude<DownloadReport, { kind: 'progress' }>;

async function runDownload(request: DownloadRequest, options: DownloadOptions): Promise<Outcome> {
  const { onProgress, signal } = options;
  const worker = new Worker(new URL('./download.js', import.meta.url), {
    workerData: request,
    // The caller's may not suit a thread: --input-type and the like belong to its own entry.
    execArgv: [],
    // The library's warnings are said in our own words.
    stdout: true,
    stderr: true,
  });
  const stop = () => void worker.terminate();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      worker.on('message', (report: DownloadReport) => {
        if (report.kind !== 'progress') return resolve(report);
        const { kind: _, ...progress } = report;
        onProgress?.({ ...progress, message: `downloading ${request.repo} ${report.file}` });
      });
      // A full disk surfaces here: the library's file stream has nobody listening for its error.
      worker.on('error', (error: NodeJS.ErrnoException) =>
        resolve({
          kind: 'failed',
          failure: { reason: 'error', message: error.message, code: error.code ?? null },
        }),
      );
      worker.on('exit', (code) =>
        signal?.aborted
          ? reject(downloadAborted(request.repo, signal))
          : resolve({
              kind: 'failed',
              failure: { reason: 'error', message: `the download thread ended with ${code}`, code: null },
            }),
      );
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

export function downloadAborted(repo: string, signal: AbortSignal): TokenworkError {
  return new TokenworkError(
    'aborted',
    `Downloading ${repo} was stopped.`,
    'Run the command again: files that had arrived whole are kept.',
    { cause: signal.reason },
  );
}
