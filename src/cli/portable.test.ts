import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const scripts = fileURLToPath(new URL('../../scripts/portable/', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-portable-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Needs {
  llama: string;
  stdcxx: string;
  symbols: string;
  vulkan: boolean;
}

/** A bundle with this Node, whose program prints its arguments and environment. */
function bundleAt(name: string, needs: Partial<Needs> = {}): string {
  const folder = join(scratch, name);
  for (const inner of ['bin', 'launch', 'app/dist/cli']) mkdirSync(join(folder, inner), { recursive: true });
  for (const [file, place] of [
    ['tokenwork', ''],
    ['settings.mjs', 'launch/'],
  ] as const)
    cpSync(join(scripts, file), join(folder, place, file));
  symlinkSync(process.execPath, join(folder, 'bin/node'));
  const least = { llama: '2.0', stdcxx: '2.0', symbols: '3.4', vulkan: false, ...needs };
  writeFileSync(join(folder, 'launch/needs.json'), JSON.stringify(least));
  writeFileSync(
    join(folder, 'app/dist/cli/main.js'),
    'console.log(JSON.stringify({ args: process.argv.slice(2), env: process.env }))',
  );
  return folder;
}

function start(program: string, env: NodeJS.ProcessEnv = {}, args: string[] = []) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', [program, ...args], { env, encoding: 'utf8' });
  const said = status === 0 ? JSON.parse(stdout) : null;
  return { status, stderr, args: said?.args as string[], env: said?.env as NodeJS.ProcessEnv };
}

describe.skipIf(process.platform !== 'linux')('the launcher of the portable bundle', () => {
  it('starts with an empty environment from a folder of any name, and passes arguments on as they are', () => {
    const folder = bundleAt("it's a $HOME");
    const { status, args, env } = start(join(folder, 'tokenwork'), {}, ['bench', 'a b', "'"]);
    expect(status).toBe(0);
    expect(args).toEqual(['bench', 'a b', "'"]);
    expect(env).toMatchObject({ TOKENWORK_CACHE: join(folder, 'cache'), TOKENWORK_BUNDLE: folder });
    expect(env.HOME).toBeTruthy();
    expect(env.LD_LIBRARY_PATH).toBeUndefined();
  });

  it('leaves the cache that was asked for, and takes the user’s where its own folder cannot be written', () => {
    const folder = bundleAt('closed');
    writeFileSync(join(folder, 'cache'), 'in the way');
    const asked = start(join(folder, 'tokenwork'), { TOKENWORK_CACHE: '/asked/for' });
    expect(asked.env.TOKENWORK_CACHE).toBe('/asked/for');
    const home = join(scratch, 'home');
    const users = start(join(folder, 'tokenwork'), { HOME: home });
    expect(users.env.TOKENWORK_CACHE).toBe(join(home, '.cache/tokenwork'));
    const temporary = start(join(folder, 'tokenwork'), { HOME: '/dev/null', TMPDIR: scratch });
    expect(temporary.env.TOKENWORK_CACHE).toBe(join(scratch, 'tokenwork'));
  });

  it('brings its own libraries only where the host lacks them', () => {
    const folder = bundleAt('libraries', { symbols: '9.9.9', vulkan: true });
    const { env } = start(join(folder, 'tokenwork'), { LD_LIBRARY_PATH: '/users' });
    // No koffi is here to look for a Vulkan loader with, so none is found.
    expect(env.LD_LIBRARY_PATH).toBe(
      [join(folder, 'lib/vulkan'), join(folder, 'lib/stdcxx'), '/users'].join(':'),
    );
  });

  it('names the C library that is too old for a part, or for all of it', () => {
    const part = bundleAt('old', { llama: '9.9', stdcxx: '9.9', symbols: '9.9.9' });
    const { status, stderr, env } = start(join(part, 'tokenwork'));
    expect(status).toBe(0);
    expect(stderr).toMatch(/llama\.cpp needs glibc 9\.9, and this host has 2\.\d+: ONNX models run/);
    expect(stderr).toContain('GLIBCXX_9.9.9');
    expect(env.LD_LIBRARY_PATH).toBeUndefined();
    const all = bundleAt('older');
    rmSync(join(all, 'bin/node'));
    writeFileSync(join(all, 'bin/node'), '#!/bin/sh\necho "version GLIBC_2.28 not found" >&2\nexit 1\n');
    chmodSync(join(all, 'bin/node'), 0o755);
    const refused = start(join(all, 'tokenwork'));
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/does not start on this host.*\nversion GLIBC_2\.28 not found/);
  });

  it('is found through a link', () => {
    const folder = bundleAt('linked');
    symlinkSync(join(folder, 'tokenwork'), join(scratch, 'tw'));
    expect(start(join(scratch, 'tw'), { PATH: process.env.PATH }).env.TOKENWORK_BUNDLE).toBe(folder);
  });
});
