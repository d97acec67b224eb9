import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { log } from '../core/log.js';

const packageRoot = new URL('../../', import.meta.url);

const manifest: { version: string; gitHead?: string } = JSON.parse(
  readFileSync(new URL('package.json', packageRoot), 'utf8'),
);

/** The version in package.json. */
export const toolVersion: string = manifest.version;

/** What measures, as results record it. */
export const thisTool = (): { version: string; commit: string | null } => ({
  version: toolVersion,
  commit: toolCommit(),
});

/**
 * The commit of the checkout that tokenwork runs from, with `-dirty` where it was changed; in a portable bundle, the
 * one it was packed from; null in an installed package, whatever repository its folder belongs to.
 */
function toolCommit(): string | null {
  if (manifest.gitHead) return manifest.gitHead;
  try {
    const described = execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'], {
      cwd: fileURLToPath(packageRoot),
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
      timeout: 5000,
      killSignal: 'SIGKILL',
      env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(fileURLToPath(packageRoot)) },
    });
    return described.trim();
  } catch (error) {
    log('no commit is known: %s', error);
    return null;
  }
}
