import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { lockJournal } from './lock.js';

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

  it.each(['', '{"pid":', '{}', '{"pid":-1}'])('is taken over where the lock holds %j', (content) => {
    const path = freshPath();
    writeFileSync(lockOf(path), content);
    lockJournal(path)();
  });

  it('leaves it to the journal to say that its folder is not there', () => {
    expect(() => lockJournal(join(directory, 'nowhere', 'x.journal.jsonl'))()).not.toThrow();
  });
});
