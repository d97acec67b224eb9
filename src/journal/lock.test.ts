import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { lockJournal } from './lock.js';

const lockAsker = fileURLToPath(new URL('./testing/lock-asker.mjs', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'tokenwork-lock-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const freshPath = () => join(directory, `${files++}.json.journal.jsonl`);
const lockOf = (path: string) => `${path}.lock`;
const inUse = expect.objectContaining({ code: 'journal-in-use', exitCode: 2 });

describe('a locked journal', () => {
  it('is refused to others until it is given back', () => {
    const path = freshPath();
    const unlock = lockJournal(path);
    expect(() => lockJournal(path)).toThrow(inUse);
    unlock();
    lockJournal(path)();
    expect(existsSync(lockOf(path))).toBe(false);
  });

  it('is taken over from a process that has died', () => {
    const path = freshPath();
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    writeFileSync(lockOf(path), JSON.stringify({ pid, started: '1' }));
    lockJournal(path)();
  });

  it.skipIf(process.platform !== 'linux')(
    'is taken over where another process now has the number',
    async () => {
      const path = freshPath();
      const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      await once(other, 'spawn');
      writeFileSync(lockOf(path), JSON.stringify({ pid: other.pid, started: 'long ago' }));
      lockJournal(path)();
      other.kill();
    },
  );

  it.skipIf(process.platform !== 'linux')(
    'is taken over from a process that was killed and that nobody reaps',
    async () => {
      const path = freshPath();
      // Bash replaces itself by a program that never asks for the end of the child it left.
      const parent = spawn('bash', ['-c', 'sleep 0.5 & echo $!; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const pid = Number(String((await once(parent.stdout!, 'data'))[0]));
      const stat = () => readFileSync(`/proc/${pid}/stat`, 'utf8');
      while (!/\) Z /.test(stat())) await new Promise((resolve) => setTimeout(resolve, 10));
      const started = stat().split(') ')[1]!.split(' ')[19];
      writeFileSync(lockOf(path), JSON.stringify({ pid, started }));
      lockJournal(path)();
      parent.kill('SIGKILL');
    },
  );

  it.each(['', '{"pid":', '{}', '{"pid":-1}', '{"pid":1e10}', '{"pid":1e300}', 'null', '[]', '"x"'])(
    'is taken over where the lock holds %j',
    (content) => {
      const path = freshPath();
      writeFileSync(lockOf(path), content);
      lockJournal(path)();
    },
  );

  it.each(['free', 'left by a process that has died'])(
    'goes to exactly one of several processes that ask at once, where it is %s',
    async (state) => {
      for (let round = 0; round < 4; round++) {
        const path = freshPath();
        if (state !== 'free') writeFileSync(lockOf(path), JSON.stringify({ pid: 2 ** 22 + 1, started: '1' }));
        const asking = Array.from({ length: 4 }, () => fork(lockAsker, [path], { silent: true }));
        await Promise.all(asking.map((child) => once(child, 'message')));
        const answers = asking.map(async (child) => (await once(child, 'message'))[0] as string);
        for (const child of asking) child.send('go');
        const got = await Promise.all(answers);
        expect(got.sort()).toEqual(['got it', 'journal-in-use', 'journal-in-use', 'journal-in-use']);
        for (const child of asking) child.kill();
        expect(readdirSync(directory).filter((name) => name.startsWith(`${basename(path)}.lock.`))).toEqual(
          [],
        );
      }
    },
  );

  it('is refused where its lock cannot be read, and says what to remove', () => {
    const path = freshPath();
    mkdirSync(lockOf(path));
    expect(() => lockJournal(path)).toThrow(inUse);
  });

  it('leaves it to the journal to say that its folder is not there', () => {
    expect(() => lockJournal(join(directory, 'nowhere', 'x.journal.jsonl'))()).not.toThrow();
  });
});
