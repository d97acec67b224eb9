import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Bytes } from '../../core/units.js';
import type { EngineName } from '../../engines/engine.js';
import { builtModelDirectory } from '../../models/build/build-model.js';
import { builtGgufDirectory } from '../../models/build/gguf/build.js';
import { cacheDirectory } from '../../models/cache-directory.js';
import { defaultBuildDtype, locateModel } from '../../models/resolve.js';
import type { RoleModel } from '../../workload/pipelines/roles.js';
import { builtWeightBytes, gib } from '../gpu/memory.js';
import type { BenchOptions } from '../options.js';

/** Below this nobody waits, and nothing is said. */
const worthSayingBytes: Bytes = 2 ** 30;
/** Above this nothing is built unasked. */
const worthAskingBytes: Bytes = 2 * 2 ** 30;

/** What is to be built: names, the bytes of all of them, and where they go. */
interface Build {
  names: string;
  bytes: Bytes;
  directory: string;
}

/**
 * Says how much is to be built before any of it is, as models of billions of weights take minutes and tens
 * of gigabytes, and asks where it is more than 2 GiB. Throws TokenworkError `disk-too-small` where it does not fit onto
 * the disk of the model cache together, so that none is written in vain, and what `agreeToBuild` throws.
 */
export async function refuseUnexpectedBuilds(
  wanted: readonly RoleModel[],
  engine: EngineName,
  options: Pick<BenchOptions, 'cacheDirectory' | 'onProgress' | 'yes' | 'confirm'>,
  freeBytesOf: (directory: string) => Promise<Bytes | null> = freeBytes,
): Promise<void> {
  const directory = options.cacheDirectory ?? cacheDirectory();
  const missing: { name: string; bytes: Bytes }[] = [];
  for (const { spec, dtype = defaultBuildDtype } of wanted) {
    const located = await locateModel(spec);
    if (located.kind !== 'recipe') continue;
    const { recipe } = located;
    const built = engine === 'llama' ? builtGgufDirectory : builtModelDirectory;
    if ((await built(recipe, { dtype, cacheDirectory: directory })) !== null) continue;
    missing.push({ name: `${recipe.id} (${dtype})`, bytes: builtWeightBytes(recipe, dtype) });
  }
  const bytes = missing.reduce((sum, model) => sum + model.bytes, 0);
  const names = missing.map(({ name }) => name).join(', ');
  const free = await freeBytesOf(directory);
  if (free !== null && bytes > free)
    throw new TokenworkError(
      'disk-too-small',
      `Building ${names} takes ${gib(bytes)}, and the disk of ${directory} has ${gib(free)} free.`,
      'Free some space (`tokenwork models prune`), set TOKENWORK_CACHE to a folder on another disk, or name fewer models with --model.',
    );
  // What is asked or refused says it itself.
  if (bytes >= worthSayingBytes && (options.yes || bytes <= worthAskingBytes))
    options.onProgress?.({
      ...{ phase: 'models', message: 'building models', fraction: null, done: 0, total: 0, etaNs: null },
      note: `To be built first, and kept in ${directory}: ${names}, ${gib(bytes)} in all.`,
    });
  await agreeToBuild({ names, bytes, directory }, options);
}

/** Asks before more than 2 GiB are built. Throws TokenworkError `build-unconfirmed` unless that is agreed to. */
export async function agreeToBuild(
  { names, bytes, directory }: Build,
  { yes = false, confirm }: Pick<BenchOptions, 'yes' | 'confirm'>,
): Promise<void> {
  if (bytes <= worthAskingBytes || yes) return;
  if (await confirm?.(`Build ${names}, ${gib(bytes)}, into ${directory}?`)) return;
  throw new TokenworkError(
    'build-unconfirmed',
    `${names} would have to be built first, ${gib(bytes)} in ${directory}; nothing was written.`,
    'Add --yes to build it, or name a smaller model or --dtype.',
  );
}

/** The free bytes of the disk that the directory is on, or will be; null where that is not known. */
async function freeBytes(directory: string): Promise<Bytes | null> {
  for (let path = directory; ; path = dirname(path)) {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    } catch (error) {
      log('free disk space: %s', error);
      // Not there yet, or no folder one may look into: what is above it lies on the same disk, or says as little.
      if (path === dirname(path)) return null;
    }
  }
}
