import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compareResults } from '../analysis/compare/compare.js';
import { tabled } from '../analysis/requests/table-builder.js';
import { okRequest, realisticResult, testResult } from '../analysis/result.test-support.js';
import { migrations } from '../core/migrate.js';
import { type Result, schemaVersion } from '../core/result.js';
import { readResultFile, readResultFiles, readTabledFile } from './result-file.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-results-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function saved(name: string, content: unknown): string {
  const path = join(scratch, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const good = JSON.stringify(testResult({ requests: [okRequest()] }));
const edited = (change: (result: Result) => void): Result => {
  const result = testResult({ requests: [okRequest()] });
  change(result);
  return result;
};
const work = (value: unknown) =>
  edited(({ requests }) => Object.assign(requests[0]!.work!, { cpuTime: value }));

describe('a file that is no result', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['cut-short.json', good.slice(0, 700), 'json-broken', /ends too early at line 1/],
    ['cut-short.json.journal.jsonl', `${good}\n${good}\n`, 'json-broken', /line 2/],
    ['empty.json', '', 'json-broken', /ends too early/],
    ['list.json', '[]', 'json-not-an-object', /an array/],
    ['foreign.json', '{"name": "package"}', 'not-a-result', /no schemaVersion/],
    [
      'future.json',
      good.replace(`"schemaVersion":${schemaVersion}`, `"schemaVersion":${schemaVersion + 1}`),
      'result-too-new',
      new RegExp(`version ${schemaVersion + 1}`),
    ],
    ['negative.json', work(-5), 'bad-result', /requests\[0\]\.work\.cpuTime.*>=0/],
    ['not-a-number.json', work('NaN'), 'bad-result', /requests\[0\]\.work\.cpuTime.*received string/],
    ['infinite.json', good.replace('"cpuTime":700', '"cpuTime":1e999'), 'bad-result', /received Infinity/],
    ['elsewhere.json', edited(({ requests }) => (requests[0]!.cell = 'x')), 'inconsistent-result', /"x"/],
    ['twice.json', edited(({ cells }) => cells.push(cells[0]!)), 'inconsistent-result', /listed twice/],
    [
      'backwards.json',
      edited(({ requests }) => Object.assign(requests[0]!.times!, { lastToken: 0 })),
      'inconsistent-result',
      /backwards/,
    ],
    ['boundless.json', work(1e308), 'inconsistent-result', /Request \d+ holds a figure of 1e\+308/],
    ['no-request.json', testResult(), 'empty-result', /no request/],
  ])('%s is refused in one message that names it', async (name, content, code, said) => {
    const path = saved(name, content);
    await expect(readResultFile(path)).rejects.toMatchObject({
      code,
      exitCode: 2,
      message: expect.stringMatching(said),
      hint: expect.stringMatching(/./),
    });
    if (code !== 'inconsistent-result')
      await expect(readResultFile(path)).rejects.toMatchObject({ message: expect.stringContaining(name) });
  });

  it('of a gigabyte is refused before it is read', async () => {
    const path = saved('huge.json', '{');
    // A hole in the file: it takes no space, and would take a second or more to read.
    truncateSync(path, 2 ** 30);
    await expect(readResultFile(path)).rejects.toMatchObject({
      code: 'result-too-large',
      exitCode: 2,
      message: expect.stringMatching(/huge\.json takes 1 GiB/),
    });
  });

  it('but a journal is answered with how to finish the run', async () => {
    await expect(readResultFile(saved('x.json.journal.jsonl', '{}\n{}'))).rejects.toMatchObject({
      hint: expect.stringMatching(/--resume .*x\.json\.journal\.jsonl/),
    });
  });
});

describe('a result of an older schema version', () => {
  it('is migrated when it is read, and compared with a current one', async () => {
    // Version 0 never was: as if it had called the requests rows.
    const { requests, ...rest } = realisticResult();
    const old = saved('old.json', { ...rest, rows: requests, schemaVersion: 0 });
    const current = saved('current.json', realisticResult());
    await expect(readResultFile(old)).rejects.toMatchObject({ code: 'not-a-result' });
    migrations[0] = ({ rows, ...document }) => ({ ...document, requests: rows });
    try {
      const [before, after] = await readResultFiles([old, current]);
      expect(before).toEqual(after);
      expect(compareResults(before!, [after!])[0]!.geomean.cpuTime!.ratio).toBe(1);
    } finally {
      delete migrations[0];
    }
  });
});

describe('a result too large to be parsed whole', () => {
  const streamed = (path: string) => readTabledFile(path, 0);

  it('gives the same columns as one that is parsed whole', async () => {
    const result = realisticResult();
    const { head, table, ledger } = await streamed(saved('large.json', result));
    const whole = tabled(result, result.requests);
    expect(table).toEqual(whole.table);
    expect(ledger).toEqual(whole.ledger);
    expect(head).toEqual({ ...result, requests: [] });
  });

  it.each<[string, unknown, string, RegExp]>([
    ['large-cut.json', good.slice(0, -20), 'json-broken', /not valid JSON/],
    ['large-broken.json', good.replace('"cell":', '"cell"'), 'json-broken', /in request 0/],
    ['large-work.json', work('much'), 'bad-result', /requests\[0\]\.work\.cpuTime/],
    ['large-boundless.json', work(1e308), 'inconsistent-result', /figure of 1e\+308/],
    ['large-empty.json', testResult({ requests: [] }), 'empty-result', /no request/],
    ['large-list.json', '[]', 'not-a-result', /schemaVersion/],
    [
      'large-cell.json',
      edited(({ requests }) => Object.assign(requests[0]!, { cell: 'elsewhere' })),
      'inconsistent-result',
      /"elsewhere"/,
    ],
    [
      'large-times.json',
      edited(({ requests }) => Object.assign(requests[0]!.times!, { started: 1e15 })),
      'inconsistent-result',
      /backwards/,
    ],
  ])('is refused by its code where it is broken: %s', async (name, content, code, message) => {
    const path = saved(name, content);
    await expect(streamed(path)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(streamed(path)).rejects.toThrow(path);
  });
});
