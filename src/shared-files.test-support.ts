/** Models, traces and published cases that lie beside the repository, in ../shared. Imported by tests only. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../shared', import.meta.url));

/** Whether the folder is not there, as in a clone by itself: the one reason to skip a test that reads from it. */
export const lacksShared = !existsSync(folder);

/** The path of a file or folder in ../shared. A wrong one throws: tests that were skipped for it would go unnoticed. */
export function sharedPath(...names: string[]): string {
  const path = join(folder, ...names);
  if (!lacksShared && !existsSync(path))
    throw new Error(`${folder} is there, but holds no ${names.join('/')}`);
  return path;
}
