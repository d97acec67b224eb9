import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { secondsOf } from './decoding.js';
import type { Figure } from './figure.js';

const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

export const wholeCommand: Figure = {
  id: 'bench-from-empty-cache',
  what: '`npm run bench` from an empty cache, seconds',
  target: 120,
  comparison: '<=',
  async measure() {
    const scratch = await mkdtemp(join(tmpdir(), 'tokenwork-whole-'));
    try {
      const value = await secondsOf(() =>
        promisify(execFile)(process.execPath, [main, 'bench', '--out', join(scratch, 'result.json')], {
          env: { ...process.env, TOKENWORK_CACHE: join(scratch, 'cache') },
        }),
      );
      return { value, spread: null };
    } finally {
      await rm(scratch, { recursive: true });
    }
  },
};
