import { describe, expect, it } from 'vitest';
import type { JournalEntry } from './entry.js';
import {
  cellsForMemory,
  isMemoryPending,
  isPending,
  memoryOf,
  stateOf,
  unfinishedValidation,
  validationOf,
} from './state.js';
import { finished, header } from './testing/journal-sample.js';

const mark = (state: 'begun' | 'stopped' | 'done'): JournalEntry => ({ kind: 'validation', state });
const alone = (cell: string): JournalEntry => ({
  ...{ kind: 'alone', cell, runs: [{ startedNs: 0, endsNs: [1], cpuNs: [1] }] },
});
const resumed: JournalEntry = { kind: 'resumed', at: '2026-11-23T11:00:00.000Z', warnings: [] };
const asked = { sampling: { sensors: 'auto', energy: false, validate: true } };

describe('holding the sharing against requests alone', () => {
  it.each([
    ['never begun', [], true],
    ['killed meanwhile', [mark('begun'), alone('a')], true],
    [
      'stopped meanwhile, however often',
      [mark('begun'), mark('stopped'), mark('begun'), mark('stopped')],
      true,
    ],
    ['done', [mark('begun'), alone('a'), mark('done')], false],
    ['killed, then done', [mark('begun'), resumed, mark('begun'), mark('done')], false],
    ['killed twice', [mark('begun'), resumed, mark('begun')], false],
  ])('that was %s: to be done is %3$s', (_, entries, pending) => {
    expect(isPending(asked, validationOf(entries))).toBe(pending);
  });

  it('is not done where nobody asked for it', () => {
    expect(isPending({ sampling: { ...asked.sampling, validate: false } }, validationOf([]))).toBe(false);
  });

  it('goes on after what was measured before a kill', () => {
    const { runs } = validationOf([mark('begun'), alone('a'), alone('b'), alone('a')]);
    expect([...runs]).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
  });

  it('is said to lack where it was stopped, and where it killed the process twice', () => {
    const stopped = unfinishedValidation(validationOf([mark('begun'), alone('a')]));
    expect(stopped).toMatchObject({
      message: expect.stringContaining('1 request was'),
      hint: expect.stringContaining('--resume'),
    });
    const dead = unfinishedValidation(validationOf([mark('begun'), resumed, mark('begun')]));
    expect(dead.message).toContain('died both times');
  });
});

describe('what a journal says of crashes', () => {
  const crashesOf = (...entries: JournalEntry[]) => Object.fromEntries(stateOf({ entries }).crashes);

  it('counts how often a process died while it ran a request', () => {
    const started: JournalEntry = { kind: 'started', id: 4 };
    expect(crashesOf(started)).toEqual({ 4: 1 });
    expect(crashesOf(started, resumed, started)).toEqual({ 4: 2 });
    expect(crashesOf(started, resumed, ...finished(4, 0))).toEqual({ 4: 1 });
  });

  it('does not blame a request for a run that ended in good order', () => {
    expect(crashesOf({ kind: 'started', id: 4 }, { kind: 'ended', atNs: 0, processCpuNs: 0 })).toEqual({});
  });
});

describe('peak memory of requests of their own', () => {
  const cells = header.cells;
  const begun = (cell: string): JournalEntry => ({ kind: 'memory', cell });
  const ended = (cell: string, peakBytes: number | null): JournalEntry => ({
    kind: 'memory',
    cell,
    peakBytes,
  });
  const pending = (...entries: JournalEntry[]) =>
    cellsForMemory(cells, { repetitions: 6 }, memoryOf(entries)).map(({ id }) => id);
  const [first, second] = cells.map(({ id }) => id) as [string, string];

  it('is measured of each cell that has none, and once more where a process died at it', () => {
    expect(pending()).toEqual([first, second]);
    expect(pending(begun(first), ended(first, 7), begun(second))).toEqual([second]);
    expect(pending(begun(first), ended(first, null), begun(second), resumed, begun(second))).toEqual([]);
    expect([...memoryOf([begun(first), ended(first, 7), begun(second), begun(second)])]).toEqual([
      [first, 7],
      [second, null],
    ]);
  });

  it('is measured of no more cells than a sixth of the requests', () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ ...cells[0]!, id: `${index}` }));
    const chosen = (repetitions: number) =>
      cellsForMemory(many, { repetitions }, new Map()).map(({ id }) => id);
    expect(chosen(1)).toEqual(['0', '4']);
    expect(chosen(2)).toEqual(['0', '3', '6']);
    expect(chosen(6)).toHaveLength(9);
  });

  it('leaves a run to be finished where it is missing', () => {
    const journal = (entries: JournalEntry[], memoryApart?: boolean) =>
      isMemoryPending({ header: { ...header, memoryApart }, entries });
    expect(journal([], true)).toBe(true);
    expect(journal([ended(first, 7), ended(second, 8)], true)).toBe(false);
    expect(journal([])).toBe(false);
  });
});
