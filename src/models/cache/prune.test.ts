import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildModel } from '../build/build-model.js';
import { loadRecipe } from '../recipe.js';
import { cacheContents } from './contents.js';
import { pruneCache } from './prune.js';

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'tokenwork-prune-'));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

const digest = '0123456789ab';
const host = hostname().replaceAll(/[^\w.-]/g, '_');
const old = new Date(Date.now() - 40 * 24 * 60 * 60 * 1000);

function folder(path: string, bytes: number, usedAt = new Date()): string {
  const directory = join(cache, path);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'model.bin'), Buffer.alloc(bytes));
  utimesSync(directory, usedAt, usedAt);
  return directory;
}

const names = (models: readonly { id: string }[]) => models.map(({ id }) => id).sort();

/** The id of a process that has ended. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid!;
}

describe('the contents of the cache', () => {
  it('are models that were built or downloaded, with their sizes, and nothing that lies beside them', async () => {
    folder(`models/tiny-q4-contrib-seed1-${digest}`, 300);
    folder('hub/hub.example/main/owner/name', 200);
    folder('hub/hub.example/v1.0/gpt2', 100);
    folder('hub-gguf/hub.example/main/owner/name', 50);
    folder('models/photos', 7);
    folder('hub/models--owner--name/snapshots/abc', 5);
    const { models, otherBytes } = await cacheContents(cache);
    expect(models.map(({ id, model, kind, bytes }) => [id, model, kind, bytes])).toEqual([
      [`tiny-q4-contrib-seed1-${digest}`, 'tiny', 'built', 300],
      ['hf:owner/name', 'hf:owner/name', 'downloaded', 200],
      ['hf:gpt2@v1.0', 'hf:gpt2@v1.0', 'downloaded', 100],
      ['hf:owner/name', 'hf:owner/name', 'downloaded', 50],
    ]);
    expect(otherBytes).toBe(12);
  });

  it('are none where there is no cache', async () => {
    expect(await cacheContents(join(cache, 'none'))).toEqual({ models: [], otherBytes: 0 });
  });
});

describe('pruning', () => {
  it('takes a model by name, all that a recipe was built into, those long unused, or all', async () => {
    const q4 = `tiny-q4-contrib-seed1-${digest}`;
    const gguf = `tiny-fp16-gguf-seed1-${digest}`;
    const draft = `tiny-draft-fp32-contrib-seed1-${digest}`;
    for (const name of [q4, gguf, draft]) folder(`models/${name}`, 10);
    folder('hub/hub.example/main/owner/name', 10, old);
    const dry = { dryRun: true };
    expect(names((await pruneCache(cache, { ids: ['tiny'] }, dry)).removed)).toEqual([gguf, q4]);
    expect(names((await pruneCache(cache, { ids: [draft] }, dry)).removed)).toEqual([draft]);
    const unusedSince = new Date(old.getTime() + 1000);
    expect(names((await pruneCache(cache, { unusedSince }, dry)).removed)).toEqual(['hf:owner/name']);
    expect((await cacheContents(cache)).models).toHaveLength(4);
    expect((await pruneCache(cache, { all: true })).removed).toHaveLength(4);
    expect((await cacheContents(cache)).models).toEqual([]);
    expect(readdirSync(join(cache, 'models'))).toEqual([]);
  });

  it('clears what a killed build left, and no build that goes on', async () => {
    const dead = folder(`models/.building-x@${host}@${await endedPid()}@00000000`, 10);
    const alive = folder(`models/.building-y@${host}@${process.ppid}@00000000`, 10);
    const elsewhere = folder('models/.building-z@another-host@1@00000000', 10);
    await pruneCache(cache, { ids: [] });
    expect([dead, alive, elsewhere].map(existsSync)).toEqual([false, true, true]);
    const { kept } = await pruneCache(cache, { all: true });
    expect(kept).toHaveLength(2);
  });

  it('leaves what a running process reads, until that has ended', async () => {
    const directory = folder(`models/tiny-q4-contrib-seed1-${digest}`, 10);
    mkdirSync(join(cache, 'in-use'));
    const use = (pid: number) => join(cache, 'in-use', `process@${host}@${pid}@00000000`);
    writeFileSync(use(process.ppid), `models/tiny-q4-contrib-seed1-${digest}\n`);
    const { removed, kept } = await pruneCache(cache, { all: true });
    expect([names(removed), names(kept)]).toEqual([[], [`tiny-q4-contrib-seed1-${digest}`]]);
    expect(kept[0]!.usedBy).toContain(`process ${process.ppid}`);
    rmSync(use(process.ppid));
    writeFileSync(use(await endedPid()), `models/tiny-q4-contrib-seed1-${digest}\n`);
    expect((await pruneCache(cache, { all: true })).removed).toHaveLength(1);
    expect(existsSync(directory)).toBe(false);
    expect(readdirSync(join(cache, 'in-use'))).toEqual([]);
  });

  it('leaves what this process has built, whose use it has marked', async () => {
    const directory = await buildModel(await loadRecipe('tiny'), { dtype: 'q4', cacheDirectory: cache });
    utimesSync(directory, old, old);
    await buildModel(await loadRecipe('tiny'), { dtype: 'q4', cacheDirectory: cache });
    const { models } = await cacheContents(cache);
    expect(models).toMatchObject([{ model: 'tiny', usedBy: expect.stringContaining(`${process.pid}`) }]);
    expect(Date.now() - models[0]!.usedAt.getTime()).toBeLessThan(60 * 60 * 1000);
    expect((await pruneCache(cache, { all: true })).kept).toHaveLength(1);
    expect(existsSync(directory)).toBe(true);
  });
});
