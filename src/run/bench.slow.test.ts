import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readResult } from '../core/migrate.js';
import { isOk, type Result } from '../core/result.js';
import { journalPathOf } from '../journal/append.js';
import { readJournal } from '../journal/read.js';
import {
  bench,
  driveBench,
  expectWhole,
  folder,
  longRequests,
  longSuite,
  out,
  smallSuite,
} from './testing/driven-bench.js';

describe('a benchmark that is killed, or has no room', () => {
  it('stops at a full disk with what was measured, and goes on when there is room', async () => {
    // The limit stands for the disk: it is counted in KiB, and an ignored signal makes it an error.
    const { ended } = driveBench({ suite: longSuite, out }, `trap '' XFSZ; ulimit -f 48`);
    const { status, errors } = await ended;
    expect(errors).toContain('journal-unwritable');
    expect(errors).toContain(`--resume ${journalPathOf(out)}`);
    expect(status).toBe(3);
    expect(readdirSync(folder)).toEqual(['result.json.journal.jsonl']);
    expect(readFileSync(journalPathOf(out)).at(-1)).toBe('\n'.charCodeAt(0));

    expectWhole((await bench({ resume: journalPathOf(out) })).result);
  });

  it('loses no finished request to SIGKILL', async () => {
    const { child, measuring, ended } = driveBench({ suite: longSuite, out, concurrency: 2 });
    await measuring;
    child.kill('SIGKILL');
    expect(await ended).toMatchObject({ signal: 'SIGKILL' });
    const { entries } = readJournal(journalPathOf(out));
    const journalled = [...entries].flatMap((entry) => (entry.kind === 'request' ? [entry.row] : []));
    expect(journalled.length).toBeGreaterThan(0);
    expect(journalled.length).toBeLessThan(longRequests);

    const { result } = await bench({ resume: out });
    expectWhole(result);
    for (const row of journalled) {
      const request = result.requests[row.id]!;
      const { peakMemory: _after, ...work } = row.work ?? {};
      expect(request).toMatchObject({ cell: row.cell, worker: row.worker, times: row.times, work });
    }
    const lastBefore = Math.max(...journalled.map(({ times }) => times?.lastToken ?? 0));
    const after = result.requests.filter(({ id }) => !journalled.some((row) => row.id === id));
    for (const { times } of after) expect(times!.submitted).toBeGreaterThan(lastBefore);
    expect(result.warnings).toContainEqual(expect.objectContaining({ code: 'resumed' }));
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('gives up on a request that kills the process every time', async () => {
    const { child, measuring, ended } = driveBench({ suite: longSuite, out });
    await measuring;
    child.kill('SIGKILL');
    await ended;
    const path = journalPathOf(out);
    const { entries, validBytes } = readJournal(path);
    const done = new Set([...entries].flatMap((entry) => (entry.kind === 'request' ? [entry.row.id] : [])));
    const deadly = Array.from({ length: longRequests }, (_, id) => id).find((id) => !done.has(id))!;
    const died = [
      { kind: 'started', id: deadly },
      { kind: 'resumed', at: new Date().toISOString(), warnings: [] },
      { kind: 'started', id: deadly },
    ];
    const whole = readFileSync(path).subarray(0, validBytes);
    writeFileSync(path, `${whole}${died.map((entry) => `${JSON.stringify(entry)}\n`).join('')}`);

    const { result } = await bench({ resume: out });
    const failed = result.requests.filter((request) => !isOk(request));
    expect(failed).toMatchObject([{ id: deadly, outcome: { code: 'process-crashed' } }]);
    expect(result.run.complete).toBe(true);
  });

  it('keeps what has finished on Ctrl-C, and says how to go on', async () => {
    const { child, measuring, ended } = driveBench({ suite: longSuite, out });
    await measuring;
    await expect(bench({ resume: out })).rejects.toMatchObject({ code: 'journal-in-use' });
    child.kill('SIGINT');
    const { status, errors } = await ended;
    expect(status).toBe(3);
    expect(errors).toContain('interrupted: ');
    expect(errors).toContain(`--resume ${out}`);
    const partial = readResult(JSON.parse(readFileSync(out, 'utf8')));
    expect(partial.run.complete).toBe(false);
    expect(partial.requests.every(isOk)).toBe(true);

    await expect(bench({ resume: out, repetitions: 9 })).rejects.toMatchObject({ code: 'resume-differs' });
    const { result } = await bench({ resume: out });
    expectWhole(result);
    // Peak memory is measured once all others have run.
    const timed = ({ requests }: Result) =>
      requests
        .filter(isOk)
        .map(({ work, absent: _, ...row }) => ({ ...row, work: { ...work, peakMemory: null } }));
    expect(timed(result)).toEqual(expect.arrayContaining(timed(partial)));
    expect(readdirSync(folder)).toEqual(['result.json']);
  });
});

describe('a benchmark by either back end, alone or side by side', () => {
  it('costs the same FLOPs for the same lengths, whoever runs them', async () => {
    const [alone, together] = [
      (await bench({ suite: smallSuite, out })).result,
      (await bench({ suite: smallSuite, out, force: true, concurrency: 2, backend: 'node', seed: 7 })).result,
    ];
    expectWhole(together);
    const flops = (result: Result) =>
      Object.fromEntries(result.requests.filter(isOk).map(({ cell, work }) => [cell, work.flops]));
    expect(flops(together)).toEqual(flops(alone));
    expect(new Set(together.requests.map(({ worker }) => worker))).toEqual(new Set([0, 1]));
    expect(together.models[0]!.engine.backend).toBe('node');
    expect(together.metrics.peakMemory).toMatchObject({
      provenance: 'unavailable',
      reason: 'not-applicable',
    });
  });
});
