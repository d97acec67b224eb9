import { open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import { markUse } from '../cache/uses.js';
import { makeDirectories } from '../cache-directory.js';
import { partNames } from '../gguf/parts.js';
import { readJsonObject } from '../json-file.js';
import { hubError } from './failure.js';
import { authorisedFetch, failureOf, StatusError } from './fetch.js';
import {
  type DownloadOptions,
  downloadAborted,
  findRemoteHost,
  oneAtATime,
  parseHubSpec,
} from './repository.js';

/** A file of a repository, as `hf:OWNER/NAME[@REVISION]:PATH.gguf` names it. */
interface HubFile {
  repo: string;
  revision: string;
  file: string;
}

/** What is known of a file that is being downloaded, or has been: written first, so that a rest can be fetched. */
const receiptSchema = z.object({ bytes: z.number().nonnegative().nullable(), etag: z.string().nullable() });
type Receipt = z.infer<typeof receiptSchema>;

/** Whether a spec names one GGUF file of the hub, and no repository in transformers.js layout. */
export function namesHubFile(spec: string): boolean {
  return /^hf:[^:]*:/.test(spec);
}

/** The file that a spec names. Throws TokenworkError `bad-hub-spec`. */
export function parseHubFile(spec: string): HubFile {
  const [, repository, file] = /^(hf:[^:]*):(.*)$/.exec(spec)!;
  const segments = file!.split('/');
  if (!file!.endsWith('.gguf') || !segments.every((name) => /^[\w+-][\w.+-]*$/.test(name))) {
    throw new TokenworkError(
      'bad-hub-spec',
      `"${spec}" names no GGUF file of the hub.`,
      'Write hf:OWNER/NAME:FILE.gguf or hf:OWNER/NAME@REVISION:FILE.gguf; of a split model any part.',
    );
  }
  return { ...parseHubSpec(repository!), file: file! };
}

/**
 * Downloads a GGUF file into the cache, with all parts of a split model, unless it is there already, and returns the
 * path of the part that was named. What had arrived of a file before a break is kept and gone on from, if the hub still
 * has the same. Throws TokenworkError as `downloadRepo` does for what befalls a download.
 */
export async function downloadGguf(spec: string, options: DownloadOptions): Promise<string> {
  const { repo, revision, file } = parseHubFile(spec);
  const { signal, onProgress } = options;
  if (signal?.aborted) throw downloadAborted(repo, signal);
  const remoteHost = await findRemoteHost();
  const host = new URL(remoteHost).host.replace(/[^\w.-]/g, '_');
  const directory = join(options.cacheDirectory, 'hub-gguf', host, encodeURIComponent(revision), repo);
  const folder = dirname(file) === '.' ? '' : `${dirname(file)}/`;
  const names = partNames(basename(file)).map((name) => `${folder}${name}`);
  const access = {
    ...{ remoteHost, token: process.env.HF_TOKEN || null, silenceMs: options.silenceMs ?? 30_000 },
  };
  await markUse(options.cacheDirectory, directory);
  await oneAtATime(directory, async () => {
    for (const [index, name] of names.entries()) {
      const url = new URL(`${repo}/resolve/${encodeURIComponent(revision)}/${name}`, remoteHost).href;
      try {
        await fetchFile(
          url,
          join(directory, name),
          authorisedFetch(access, () => false),
          {
            signal,
            onBytes: (loadedBytes, totalBytes) =>
              onProgress?.({
                fraction: (index + (totalBytes > 0 ? loadedBytes / totalBytes : 0)) / names.length,
                message: `downloading ${repo} ${name}`,
                ...{ file: name, loadedBytes, totalBytes },
              }),
          },
        );
      } catch (thrown) {
        if (signal?.aborted) throw downloadAborted(repo, signal);
        if (thrown instanceof TokenworkError) throw thrown;
        const hub = { repo, revision, remoteHost, file: name };
        throw await hubError(failureOf(thrown), hub, options.cacheDirectory);
      }
    }
  });
  return join(directory, file);
}

interface FetchOptions {
  signal: AbortSignal | undefined;
  onBytes: (loaded: number, total: number) => void;
}

/** Fetches what is missing of a file; it has its name only once it is whole. */
async function fetchFile(
  url: string,
  target: string,
  fetch: ReturnType<typeof authorisedFetch>,
  { signal, onBytes }: FetchOptions,
): Promise<void> {
  const [part, receiptPath] = [`${target}.part`, `${target}.json`];
  const receipt = await readReceipt(receiptPath);
  const present = await sizeOf(target);
  if (present !== null && receipt?.bytes === present) return;
  await makeDirectories(dirname(target));
  // A file of another size than its receipt's was changed since.
  await rm(target, { force: true });
  const had = receipt?.etag ? ((await sizeOf(part)) ?? 0) : 0;
  if (had > 0 && had === receipt?.bytes) return rename(part, target);
  const rest: Record<string, string> = had > 0 ? { range: `bytes=${had}-`, 'if-range': receipt!.etag! } : {};
  const response = await fetch(url, { headers: rest, ...(signal && { signal }) });
  if (response.status === 416) {
    await rm(part, { force: true });
    if (had > 0) return fetchFile(url, target, fetch, { signal, onBytes });
    throw new StatusError(response, url);
  }
  // A server answers with the whole where the file has changed, or where it does not know of ranges.
  const from = response.status === 206 ? had : 0;
  const length = response.headers.get('content-length');
  const total = length === null ? null : from + Number(length);
  // A weak tag vouches for no byte, so that no rest can be asked for.
  const etag = response.headers.get('etag');
  const known: Receipt = { bytes: total, etag: etag?.startsWith('"') ? etag : null };
  await writeFile(receiptPath, JSON.stringify(known));
  const file = await open(part, from > 0 ? 'a' : 'w');
  let written = from;
  try {
    for await (const chunk of response.body ?? []) {
      await file.writeFile(chunk);
      written += chunk.byteLength;
      onBytes(written, total ?? 0);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (total !== null && written !== total) {
    throw new TokenworkError(
      'download-interrupted',
      `The download of ${basename(target)} ended after ${written} of ${total} bytes.`,
      'Run the command again: it goes on from there.',
    );
  }
  if ((await sizeOf(part)) !== written) {
    await rm(part, { force: true });
    throw new TokenworkError(
      'download-damaged',
      `The download of ${basename(target)} is not whole: another process wrote into it.`,
      'The damaged file was removed: run the command again.',
    );
  }
  await writeFile(receiptPath, JSON.stringify({ ...known, bytes: written }));
  await rename(part, target);
}

async function readReceipt(path: string): Promise<Receipt | null> {
  const content = await readJsonObject(path).catch(otherwise(null, 'receipt of a download'));
  return receiptSchema.safeParse(content).data ?? null;
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(({ size }) => size, otherwise(null, 'size of a downloaded file'));
}
