import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { lacksShared, sharedPath } from './shared-files.test-support.js';

const root = fileURLToPath(new URL('.', import.meta.url));
const tests = (readdirSync(root, { recursive: true }) as string[]).filter((file) =>
  /\.test(-support)?\.ts$/.test(file),
);

describe('a test that needs a file of ../shared', () => {
  it.skipIf(lacksShared)('is not skipped where the folder is there without it', () => {
    expect(() => sharedPath('models', 'none')).toThrow(/holds no models\/none/);
  });

  it('looks for it in one way', () => {
    const own = tests.filter(
      (file) =>
        !basename(file).startsWith('shared-files.') &&
        /\.\.\/shared\/|'shared'/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(own).toEqual([]);
  });
});
