import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import { externalDataFiles } from '../external-data.js';
import { readJsonObject } from '../json-file.js';
import { readModel } from '../onnx/read-model.js';
import { listOnnxFiles } from '../onnx-file.js';
import type { DownloadReport } from './download.js';

/**
 * Written last, one per dtype: which files make the model up and how large each is. A folder counts as
 * downloaded only by its receipt, so whatever a killed download left behind is never taken for a model.
 */
const receiptSchema = z.object({
  dtype: z.string(),
  /** Dtypes that the repository has, most exact first. */
  available: z.array(z.string()),
  files: z.record(z.string(), z.number()),
});
export type Receipt = z.infer<typeof receiptSchema>;
const receiptPattern = /^\.tokenwork-[a-z0-9]+\.json$/;

/** Reads what was downloaded as far as it takes to know it whole. */
export async function inspectDownload(
  directory: string,
  { available, sizes }: Extract<DownloadReport, { kind: 'done' }>,
): Promise<Receipt> {
  for (const [file, expectedBytes] of Object.entries(sizes)) {
    const actualBytes = await sizeOf(join(directory, file));
    if (actualBytes === expectedBytes || expectedBytes === null) continue;
    throw new TokenworkError(
      'download-truncated',
      `${file} has ${actualBytes ?? 'no'} bytes of ${expectedBytes}.`,
      'Run the command again.',
    );
  }
  const json = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
  if ((await sizeOf(join(directory, 'generation_config.json'))) !== null) json.push('generation_config.json');
  const paths = json.map((name) => join(directory, name));
  for (const path of paths) await readJsonObject(path);

  const onnx = (await listOnnxFiles(directory)).find(({ path }) => nameIn(directory, path) in sizes);
  if (!onnx) {
    throw new TokenworkError(
      'not-a-decoder',
      `it is a model of several parts (${Object.keys(sizes).join(', ')}).`,
      'Choose a text-generation model with one onnx/model.onnx.',
    );
  }
  const files: Record<string, number> = {};
  paths.push(onnx.path, ...(await externalDataFiles(await readModel(onnx.path), onnx.path)));
  for (const path of paths) files[nameIn(directory, path)] = (await stat(path)).size;
  const ours = available.map((name) => (name === 'q8' ? 'int8' : name));
  return { dtype: onnx.dtype, available: [...new Set(ours)], files };
}

/**
 * The receipts that still hold. A file that changed since its receipt was written is removed, and the
 * receipt with it, so that it is downloaded again.
 */
export async function checkReceipts(directory: string): Promise<Receipt[]> {
  const valid: Receipt[] = [];
  for (const name of await namesIn(directory)) {
    if (!receiptPattern.test(name)) continue;
    const parsed = receiptSchema.safeParse(
      await readJsonObject(join(directory, name)).catch(otherwise(null, 'receipt of a download')),
    );
    const changed: string[] = [];
    for (const [file, bytes] of Object.entries(parsed.data?.files ?? {}))
      if ((await sizeOf(join(directory, file))) !== bytes) changed.push(file);
    if (parsed.success && changed.length === 0) valid.push(parsed.data);
    else for (const file of [name, ...changed]) await rm(join(directory, file), { force: true });
  }
  return valid;
}

export async function writeReceipt(directory: string, receipt: Receipt): Promise<void> {
  const path = join(directory, `.tokenwork-${receipt.dtype}.json`);
  // Named as the library names its own, so that it is swept away with them if this process is killed here.
  const unfinished = `${path}.tmp.${process.pid}.receipt`;
  await writeFile(unfinished, JSON.stringify(receipt, null, 1));
  await rename(unfinished, path);
}

/** Removes the unfinished files of downloads whose process is gone, and of this one. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const file of await downloadedIn(directory)) {
    // The library writes to FILE.tmp.PID.RANDOM and renames.
    const pid = /\.tmp\.(\d+)\.[^.]*$/.exec(file)?.[1];
    if (pid !== undefined && (Number(pid) === process.pid || !isAlive(Number(pid))))
      await rm(join(directory, file), { force: true });
  }
}

/** Removes every file that no receipt vouches for. */
export async function removeUnproven(directory: string, receipts: Receipt[]): Promise<void> {
  for (const file of await downloadedIn(directory))
    if (!receipts.some(({ files }) => file in files)) await rm(join(directory, file), { force: true });
}

async function downloadedIn(directory: string): Promise<string[]> {
  const top = (await namesIn(directory)).filter((name) => /\.json(\.tmp\..*)?$/.test(name));
  const onnx = (await namesIn(join(directory, 'onnx'))).map((name) => `onnx/${name}`);
  return [...top.filter((name) => !receiptPattern.test(name)), ...onnx];
}

/** A path with slashes on every platform, as the hub names its files. */
function nameIn(directory: string, path: string): string {
  return relative(directory, path).replaceAll('\\', '/');
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(otherwise([], 'downloaded files'));
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(({ size }) => size, otherwise(null, 'size of a downloaded file'));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
