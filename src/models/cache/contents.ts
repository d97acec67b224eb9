import { type Dirent, readdirSync } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { otherwise } from '../../core/log.js';
import type { Bytes } from '../../core/units.js';
import { isAbandoned, unfinishedPrefix } from '../build/atomic-folder.js';
import { dtypes } from '../dtype.js';
import { usedFolders } from './uses.js';

/** A model in the cache. */
export interface CachedModel {
  /** The name that it is pruned by: its folder's, or `hf:OWNER/NAME[@REVISION]`. */
  id: string;
  /** What `--model` calls it. */
  model: string;
  /** `unfinished`: its builder has ended before it was whole. */
  kind: 'built' | 'downloaded' | 'unfinished';
  path: string;
  bytes: Bytes;
  usedAt: Date;
  /** A process that builds or reads it; null where none does. */
  usedBy: string | null;
}

/** The models of a cache, the largest first, and the bytes of everything else in it. */
export async function cacheContents(cache: string): Promise<{ models: CachedModel[]; otherBytes: Bytes }> {
  const users = await usedFolders(cache);
  const found = [
    ...builtIn(join(cache, 'models')),
    ...downloadsIn(join(cache, 'hub')),
    ...downloadsIn(join(cache, 'hub-gguf')),
  ];
  const models: CachedModel[] = [];
  for (const { path, id, model, kind } of found) {
    const seen = await Promise.all([sizeOf(path), stat(path)]).catch(otherwise(null, 'a model of the cache'));
    // Renamed by its builder meanwhile.
    if (seen === null) continue;
    const [bytes, { mtime: usedAt }] = seen;
    const isBuilt = kind === 'unfinished' && !(await isAbandoned(path));
    models.push({
      ...{ id, model, kind, path, bytes, usedAt },
      usedBy: users.get(path) ?? (isBuilt ? 'the process that builds it' : null),
    });
  }
  const bytes = models.reduce((sum, model) => sum + model.bytes, 0);
  return {
    models: models.sort((a, b) => b.bytes - a.bytes),
    otherBytes: Math.max(0, (await sizeOf(cache)) - bytes),
  };
}

type Found = Pick<CachedModel, 'id' | 'model' | 'kind' | 'path'>;

/** The name that builders give a folder; whatever else someone keeps there is none of ours to remove. */
const builtName = new RegExp(`^(.+?)-(?:${dtypes.join('|')})-.+-seed\\d+-[0-9a-f]{12}$`);

function builtIn(folder: string): Found[] {
  return foldersIn(folder).flatMap((path): Found[] => {
    const name = basename(path);
    if (name.startsWith(unfinishedPrefix)) return [{ path, id: name, model: name, kind: 'unfinished' }];
    const recipe = builtName.exec(name)?.[1];
    return recipe === undefined ? [] : [{ path, id: name, model: recipe, kind: 'built' }];
  });
}

/** Folders of the hub's own cache, and of nobody's host. */
const foreign = /^(\.|(models|datasets|spaces)--)/;

/** Repositories lie in HOST/REVISION/OWNER/NAME, and those without an owner in HOST/REVISION/NAME. */
function downloadsIn(hub: string): Found[] {
  const found: Found[] = [];
  for (const revisionPath of foldersIn(hub).flatMap((host) =>
    foreign.test(basename(host)) ? [] : foldersIn(host),
  )) {
    const revision = decodeURIComponent(basename(revisionPath));
    const take = (path: string, repo: string) => {
      const model = `hf:${repo}${revision === 'main' ? '' : `@${revision}`}`;
      const kind = basename(path).startsWith(unfinishedPrefix) ? 'unfinished' : 'downloaded';
      found.push({ path, id: model, model, kind });
    };
    for (const path of foldersIn(revisionPath)) {
      if (entriesOf(path).some((entry) => entry.isFile())) take(path, basename(path));
      else for (const inner of foldersIn(path)) take(inner, `${basename(path)}/${basename(inner)}`);
    }
  }
  return found;
}

function foldersIn(path: string): string[] {
  return entriesOf(path)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(path, name));
}

function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    return otherwise<Dirent[]>([], 'a folder of the cache')(error);
  }
}

/** Bytes of all files below; what vanishes meanwhile counts nothing. */
async function sizeOf(path: string): Promise<Bytes> {
  let bytes = 0;
  for (const name of await readdir(path, { recursive: true }).catch(otherwise([], 'size of the cache'))) {
    const found = await lstat(join(path, name)).catch(otherwise(null, 'size of the cache'));
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}
