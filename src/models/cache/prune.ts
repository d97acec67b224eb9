import { rename, rm } from 'node:fs/promises';
import { log } from '../../core/log.js';
import { unfinishedBeside } from '../build/atomic-folder.js';
import { type CachedModel, cacheContents } from './contents.js';
import { usedFolders } from './uses.js';

/** The models that a pruning is of. */
export interface Pruning {
  /** Ids as `cacheContents` gives them, or models, of which all that is kept goes. */
  ids?: readonly string[];
  /** Those that nobody has used since. */
  unusedSince?: Date;
  all?: boolean;
}

/** What was removed, or would be, and what was not, since a process builds or reads it. */
export interface Pruned {
  removed: CachedModel[];
  kept: CachedModel[];
}

/**
 * Removes models from a cache; builds that were never finished go with every pruning. A model that a process builds or
 * reads stays. With `dryRun` nothing is removed.
 */
export async function pruneCache(
  cache: string,
  { ids = [], unusedSince, all = false }: Pruning,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<Pruned> {
  const { models } = await cacheContents(cache);
  const chosen = models.filter(
    ({ id, model, kind, usedAt, usedBy }) =>
      all ||
      (kind === 'unfinished' && usedBy === null) ||
      ids.some((name) => name === id || name === model) ||
      (unusedSince !== undefined && usedAt < unusedSince),
  );
  const pruned: Pruned = { removed: [], kept: [] };
  for (const model of chosen) {
    const removed = model.usedBy === null && (dryRun || (await remove(cache, model.path)));
    pruned[removed ? 'removed' : 'kept'].push(model);
  }
  return pruned;
}

/** Removes a folder unless a process uses it. Returns whether it did. */
async function remove(cache: string, path: string): Promise<boolean> {
  if ((await usedFolders(cache)).has(path)) return false;
  // Under its own name no half of it is ever seen: who looks for it now finds none, and builds it anew.
  const leaving = unfinishedBeside(path);
  await rename(path, leaving);
  if ((await usedFolders(cache)).has(path)) {
    // Someone began between the look and the renaming.
    const isBack = await rename(leaving, path).then(
      () => true,
      (error) => {
        log('%s was built anew meanwhile: %s', path, error);
        return false;
      },
    );
    if (isBack) return false;
  }
  await rm(leaving, { recursive: true, force: true });
  return true;
}
