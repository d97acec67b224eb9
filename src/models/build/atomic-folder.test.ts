import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolderOnce } from './atomic-folder.js';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'tokenwork-folder-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const write = (content: string) => (directory: string) => writeFile(join(directory, 'file'), content);
const contentOf = (folder: string) => readFile(join(folder, 'file'), 'utf8');

describe('a folder made once', () => {
  it('is filled the first time and returned as it is from then on', async () => {
    const target = join(parent, 'deep', 'model');
    expect(await makeFolderOnce(target, write('first'))).toBe(target);
    await makeFolderOnce(target, write('second'));
    expect(await contentOf(target)).toBe('first');
  });

  it('is absent, and nothing is left over, when filling it fails', async () => {
    const failing = async (directory: string) => {
      await write('half')(directory);
      throw new Error('stopped');
    };
    await expect(makeFolderOnce(join(parent, 'model'), failing)).rejects.toThrow('stopped');
    expect(await readdir(parent)).toEqual([]);
  });

  it('is whole when several make it at once', async () => {
    const target = join(parent, 'model');
    await Promise.all(['a', 'b', 'c', 'd'].map((content) => makeFolderOnce(target, write(content))));
    expect(await readdir(parent)).toEqual(['model']);
    expect(['a', 'b', 'c', 'd']).toContain(await contentOf(target));
  });

  it('removes what killed builds left, and nothing of builds that may live', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const host = hostname().replaceAll(/[^\w.-]/g, '_');
    const names = {
      killed: `.building-model@${host}@${dead}@00`,
      running: `.building-model@${host}@${process.pid}@00`,
      elsewhere: `.building-model@another-host@${dead}@00`,
      abandonedElsewhere: `.building-model@another-host@${dead}@01`,
    };
    for (const name of Object.values(names)) await mkdir(join(parent, name));
    const lastWeek = Date.now() / 1000 - 7 * 24 * 60 * 60;
    await utimes(join(parent, names.abandonedElsewhere), lastWeek, lastWeek);
    await makeFolderOnce(join(parent, 'model'), write('new'));
    expect((await readdir(parent)).sort()).toEqual([names.elsewhere, names.running, 'model'].sort());
  });

  it('says so when the disk is full, and cleans up', async () => {
    const full = async () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    await expect(makeFolderOnce(join(parent, 'model'), full)).rejects.toMatchObject({
      code: 'disk-full',
      exitCode: 3,
      hint: expect.stringContaining('TOKENWORK_CACHE'),
    });
    expect(await readdir(parent)).toEqual([]);
  });

  it('says so when the cache cannot be written', async () => {
    await writeFile(join(parent, 'occupied'), '');
    await expect(makeFolderOnce(join(parent, 'occupied', 'model'), write('x'))).rejects.toMatchObject({
      code: 'cache-unwritable',
      exitCode: 2,
    });
  });

  it.skipIf(!existsSync('/proc/self'))('says so where no folder can be made', async () => {
    await expect(makeFolderOnce('/proc/cache/models/model', write('x'))).rejects.toMatchObject({
      code: 'cache-unwritable',
    });
  });
});
