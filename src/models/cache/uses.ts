import { appendFileSync, rmSync } from 'node:fs';
import { readdir, readFile, rm, utimes } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { log, otherwise } from '../../core/log.js';
import { isAbandoned, signed } from '../build/atomic-folder.js';
import { makeDirectories } from '../cache-directory.js';

/** Files of this process that list what it uses, by the cache they lie in. */
const own = new Map<string, string>();

/**
 * Says until this process ends that it builds or reads a folder of the cache, so that pruning leaves it alone, and
 * when that was. A cache that cannot be written is not marked, and nobody prunes it.
 */
export async function markUse(cache: string, folder: string): Promise<void> {
  try {
    const uses = join(cache, 'in-use');
    await makeDirectories(cache);
    await makeDirectories(uses);
    const file = own.get(cache) ?? join(uses, signed('process'));
    if (!own.has(cache)) process.once('exit', () => rmSync(file, { force: true }));
    own.set(cache, file);
    appendFileSync(file, `${relative(cache, folder)}\n`);
  } catch (error) {
    log('%s is not marked as in use: %s', folder, error);
  }
  const now = new Date();
  // Where it is not built yet, building gives it its time.
  await utimes(folder, now, now).catch(otherwise(undefined, 'time of use of a model'));
}

/** The folders of a cache that processes use which are alive, each with one of them; forgets those that have ended. */
export async function usedFolders(cache: string): Promise<Map<string, string>> {
  const uses = join(cache, 'in-use');
  const users = new Map<string, string>();
  for (const name of await readdir(uses).catch(otherwise([], 'uses of the cache'))) {
    const file = join(uses, name);
    const abandoned = await isAbandoned(file).catch(otherwise(true, 'a use of the cache'));
    if (abandoned) await rm(file, { force: true });
    else {
      const [, host, pid] = name.split('@');
      // Gone with its process meanwhile.
      const text = await readFile(file, 'utf8').catch(otherwise('', 'a use of the cache'));
      for (const line of text.split('\n'))
        if (line !== '') users.set(resolve(cache, line), `process ${pid} of ${host}`);
    }
  }
  return users;
}
