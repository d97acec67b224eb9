import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Journal, journalNamed, journalPathOf, resultPathOf } from './append.js';
import type { JournalBeginning, JournalEntry } from './entry.js';
import { readBegunJournal, readJournal } from './read.js';
import { finished, header } from './testing/journal-sample.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-journal-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const freshPath = () => join(directory, `${files++}.json.journal.jsonl`);
const begun: JournalBeginning = {
  ...{ kind: 'begun', version: 2, command: 'tokenwork bench --model m --seed 3' },
  options: { model: ['m'], seed: 3, sensors: 'recorded:x.jsonl', energy: true },
};
const entries = [header, ...finished(0, 150), ...finished(1, 300)];

function written(): { path: string; bytes: Buffer } {
  const path = freshPath();
  const journal = Journal.create(path);
  for (const entry of entries) journal.append(entry);
  journal.close();
  return { path, bytes: readFileSync(path) };
}

describe('a journal', () => {
  it('lies beside its result, and is found by either name', () => {
    expect(resultPathOf(journalPathOf('a/b.json'))).toBe('a/b.json');
    expect(journalNamed('a/b.json')).toBe(journalPathOf('a/b.json'));
    expect(journalNamed(journalPathOf('a/b'))).toBe(journalPathOf('a/b'));
  });

  it('reads back what was written', () => {
    expect([...readJournal(written().path).entries]).toEqual(entries);
  });

  it('has each entry in the file as soon as append returns', () => {
    const path = freshPath();
    const journal = Journal.create(path);
    for (const [index, entry] of entries.entries()) {
      journal.append(entry);
      expect([...readJournal(path).entries]).toEqual(entries.slice(0, index + 1));
    }
    journal.close();
  });

  it('loses only the line that was being written, wherever it was cut off', () => {
    const { path, bytes } = written();
    const headerBytes = bytes.indexOf('\n') + 1;
    fc.assert(
      fc.property(fc.integer({ min: headerBytes, max: bytes.length }), (cut) => {
        writeFileSync(path, bytes.subarray(0, cut));
        const whole = bytes.subarray(0, cut).toString().split('\n').length - 1;
        const contents = readJournal(path);
        expect([...contents.entries]).toEqual(entries.slice(0, whole));

        const reopened = Journal.reopen(path, contents.validBytes);
        for (const entry of entries.slice(whole)) reopened.append(entry);
        reopened.close();
        expect(readFileSync(path).equals(bytes)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('has the rows of requests in the order of their ids, each once', () => {
    const path = freshPath();
    const journal = Journal.create(path);
    const first = finished(2, 150, 7);
    for (const entry of [header, ...first, ...finished(0, 300), ...finished(2, 400, 9)])
      journal.append(entry);
    journal.close();
    const rows = [...readJournal(path).rows];
    expect(rows.map(({ id, work }) => [id, work?.cpuTime])).toEqual([
      [0, 100],
      [2, 7],
    ]);
  });

  it('reads lines of any length, in any script, at their places', () => {
    const path = freshPath();
    const journal = Journal.create(path);
    const long = {
      kind: 'resumed',
      at: header.startedAt,
      warnings: [{ code: 'c', hint: '', message: '語é😀'.repeat(3e5) }],
    };
    const all = [header, ...finished(1, 1), long as JournalEntry, ...finished(0, 2), long as JournalEntry];
    for (const entry of all) journal.append(entry);
    journal.close();
    const contents = readJournal(path);
    expect([...contents.entries]).toEqual(all);
    expect([...contents.rows].map(({ id }) => id)).toEqual([0, 1]);
    expect(contents.validBytes).toBe(readFileSync(path).length);
  });

  it('names the line that is none of its own', () => {
    const { path } = written();
    appendFileSync(path, '{"kind":"request"}\n');
    expect(() => readJournal(path)).toThrow(
      expect.objectContaining({ code: 'bad-journal', message: expect.stringContaining('line 6') }),
    );
    appendFileSync(path, 'nonsense\n');
    expect(() => readJournal(path)).toThrow(/line 6/);
  });

  it('cannot be resumed before its header', () => {
    const path = freshPath();
    writeFileSync(path, JSON.stringify(header).slice(0, 100));
    expect(() => readJournal(path)).toThrow(expect.objectContaining({ code: 'empty-journal' }));
  });

  it('tells before its header what was asked for, wherever the header was cut off', () => {
    const path = freshPath();
    Journal.create(path, begun).close();
    expect(readBegunJournal(path)).toEqual({ header: null, begun });
    appendFileSync(path, JSON.stringify(header).slice(0, 100));
    expect(readBegunJournal(path)).toEqual({ header: null, begun });
    expect(() => readJournal(path)).toThrow(expect.objectContaining({ code: 'empty-journal' }));

    const journal = Journal.create(path, begun);
    for (const entry of entries) journal.append(entry);
    journal.close();
    const contents = readJournal(path);
    expect(contents.header).toEqual(header);
    expect([...contents.entries]).toEqual([begun, ...entries]);
    expect(() => Journal.create(path)).toThrow(expect.objectContaining({ code: 'journal-exists' }));
  });

  it('says so where there is none', () => {
    expect(() => readJournal(freshPath())).toThrow(expect.objectContaining({ code: 'no-journal' }));
  });
});

describe('creating a journal', () => {
  it('leaves an unfinished run alone', () => {
    const { path, bytes } = written();
    expect(() => Journal.create(path)).toThrow(
      expect.objectContaining({ code: 'journal-exists', hint: expect.stringContaining(`--resume ${path}`) }),
    );
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it.each(['', JSON.stringify(header).slice(0, 100)])(
    'begins anew one that was killed before its header',
    (text) => {
      const path = freshPath();
      writeFileSync(path, text);
      const journal = Journal.create(path);
      for (const entry of entries) journal.append(entry);
      journal.close();
      expect([...readJournal(path).entries]).toEqual(entries);
    },
  );

  it('refuses a folder that is not there', () => {
    expect(() => Journal.create(join(directory, 'nowhere', 'x.journal.jsonl'))).toThrow(
      expect.objectContaining({ code: 'unwritable-output', exitCode: 2 }),
    );
  });
});

describe('abandoning a journal', () => {
  it('removes it where nothing was measured, and else keeps it', () => {
    const path = freshPath();
    const empty = Journal.create(path);
    empty.append(header);
    empty.abandon();
    expect(existsSync(path)).toBe(false);
    Journal.create(path, begun).abandon();
    expect(existsSync(path)).toBe(false);

    const journal = Journal.create(path);
    for (const entry of entries) journal.append(entry);
    journal.abandon();
    expect(existsSync(path)).toBe(true);
  });
});

it.skipIf(!existsSync('/dev/full'))('a full disk ends the run, saying where the journal lies', () => {
  const path = freshPath();
  symlinkSync('/dev/full', path);
  const journal = Journal.reopen(path, 0);
  expect(() => journal.append(header)).toThrow(
    expect.objectContaining({
      code: 'journal-unwritable',
      exitCode: 3,
      message: expect.stringMatching(/ENOSPC/),
      hint: expect.stringContaining(path),
    }),
  );
  journal.close();
});
