import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { expandTrace } from './expand-trace.js';
import { readTrace } from './trace.js';

const directory = mkdtempSync(join(tmpdir(), 'trace-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function fileOf(content: string, name = `trace-${files++}.csv`): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe('a CSV trace', () => {
  it('may have its columns in any order and case, others between, and no timestamps', async () => {
    const path = fileOf('\uFEFFgeneratedtokens, Model ,CONTEXTTOKENS\n5,"a, b",9\n\n6,c,10\n');
    expect((await readTrace(path)).requests).toMatchObject([
      { promptTokens: 9, completionTokens: 5 },
      { promptTokens: 10, completionTokens: 6 },
    ]);
  });

  it('is read no further than its limit', async () => {
    const path = fileOf('ContextTokens,GeneratedTokens\n1,1\n2,2\nnot a row\n');
    expect((await readTrace(path, { limit: 2 })).requests).toHaveLength(2);
    await expect(readTrace(path, { limit: 3 })).rejects.toMatchObject({ code: 'bad-trace' });
  });

  it.each([
    ['ContextTokens,GeneratedTokens\n1,1\n\n2,x\n', /:4: the completion length is "x"/],
    ['ContextTokens,GeneratedTokens\n1,1\n-2,1\n', /:3: the prompt length is "-2"/],
    ['ContextTokens,GeneratedTokens\n0,1\n', /:2: the prompt length is 0/],
    ['ContextTokens,GeneratedTokens\n1.5,1\n', /:2: the prompt length is "1.5"/],
    ['ContextTokens,GeneratedTokens\n1,\n', /:2: the completion length is ""/],
    ['ContextTokens,GeneratedTokens\n1,1\n2\n', /:3: Invalid Record Length/],
    ['ContextTokens,GeneratedTokens\n1,"1\n', /:3?2?: Quote Not Closed/],
    ['ContextTokens,GeneratedTokens\n1,1\n1\0,1\n', /:3: the prompt length is "1\\u0000"/],
    ['4808,10\n3180,8\n', /:1: the header names no ContextTokens column, but 4808, 10/],
  ])('%j names its bad line', async (content, message) => {
    await expect(readTrace(fileOf(content))).rejects.toMatchObject({
      code: 'bad-trace',
      exitCode: 2,
      message: expect.stringMatching(message),
    });
  });
});

describe('a JSONL trace', () => {
  it.each([
    ['{"input_length": 1, "output_length": 1}\n{"input_length": 1}', /:2: the completion length is missing/],
    ['{"input_length": 1, "output_length": 1}\n\n{"input_l', /:3: it is no JSON/],
    ['{"input_length": "1", "output_length": 1}', /:1: the prompt length is "1"/],
    ['{"input_length": 1, "output_length": 1}\nnull', /:2: it is no object/],
    ['{"input_length": 1, "output_length": 1}\n{"a": "\0"}', /:2: it is no JSON/],
    ['{"input_length": 1, "output_length": 1}\n\0', /:2: it is no JSON/],
    ['[{"input_length": 1, "output_length": 1},', /:1: the array that it begins does not end/],
  ])('%j names its bad line', async (content, message) => {
    await expect(readTrace(fileOf(content, `trace-${files++}.jsonl`))).rejects.toMatchObject({
      code: 'bad-trace',
      message: expect.stringMatching(message),
    });
  });
});

describe('a line of two megabytes', () => {
  const long = '1'.repeat(2 ** 21);

  it.each([
    ['CSV', `ContextTokens,GeneratedTokens\n1,1\n1,${long}\n`, /:3: Max Record Size/],
    [
      'JSONL',
      `{"input_length": 1, "output_length": 1}\n{"a": "${long}"}\n`,
      /:2: it goes on for more than 1,048,576/,
    ],
  ])('of %s is refused', async (_, content, message) => {
    await expect(readTrace(fileOf(content))).rejects.toMatchObject({
      code: 'bad-trace',
      message: expect.stringMatching(message),
    });
  });
});

describe('the times of a trace', () => {
  const at = (...times: (number | undefined)[]) =>
    fileOf(
      times
        .map(
          (timestamp, index) =>
            `${JSON.stringify({ timestamp, input_length: index + 1, output_length: 1 })}\n`,
        )
        .join(''),
    );
  const read = async (path: string) => {
    const { requests, warnings } = await readTrace(path);
    return { arrivals: requests.map(({ promptTokens, arrivalNs }) => [promptTokens, arrivalNs]), warnings };
  };

  it('may be equal, and keep the order of the file', async () => {
    expect(await read(at(7, 7, 7))).toEqual({
      arrivals: [
        [1, 0],
        [2, 0],
        [3, 0],
      ],
      warnings: [],
    });
  });

  it('are sorted where they stand out of order, with a warning that names the line', async () => {
    const { arrivals, warnings } = await read(at(10, 30, 9, 30, 20));
    expect(arrivals).toEqual([
      [3, 0],
      [1, 1e6],
      [5, 11e6],
      [2, 21e6],
      [4, 21e6],
    ]);
    expect(warnings).toMatchObject([
      { code: 'trace-sorted', message: expect.stringMatching(/2 requests \(first on line 3\)/) },
    ]);
  });

  it('are refused where they go back by more than a minute', async () => {
    await expect(read(at(0, 60_000, 0))).resolves.toMatchObject({ warnings: [{ code: 'trace-sorted' }] });
    await expect(read(at(0, 60_001, 0))).rejects.toMatchObject({
      code: 'bad-trace',
      message: expect.stringMatching(/:3: its time is 60 s before one above it/),
    });
  });

  it('are of all requests or of none', async () => {
    await expect(read(at(1, undefined))).rejects.toMatchObject({
      message: expect.stringMatching(/:2: it has no timestamp, and lines before it have/),
    });
    await expect(read(at(undefined, 1))).rejects.toMatchObject({
      message: expect.stringMatching(/:2: it has a timestamp, and lines before it have none/),
    });
  });
});

describe('the digest of a trace', () => {
  const content =
    'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-01-01 00:00:00,1,2\n2023-01-01 00:00:01,3,4\n';

  it('is of the requests that were read, and not of their file', async () => {
    const { digest } = await readTrace(fileOf(content));
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect((await readTrace(fileOf(content.replaceAll('\n', '\r\n')))).digest).toBe(digest);
    expect((await readTrace(fileOf(`${content}2023-01-01 00:00:02,5,6\n`), { limit: 2 })).digest).toBe(
      digest,
    );
    expect((await readTrace(fileOf(content.replace(':01,', ':02,')))).digest).not.toBe(digest);
    expect((await readTrace(fileOf(content.replace('3,4', '4,3')))).digest).not.toBe(digest);
  });

  it('refuses other requests than a run began with', async () => {
    const { digest } = await readTrace(fileOf(content));
    await expect(readTrace(fileOf(content), { digest })).resolves.toMatchObject({ digest });
    await expect(readTrace(fileOf(content), { digest, limit: 1 })).rejects.toMatchObject({
      code: 'trace-changed',
      exitCode: 2,
    });
  });
});

describe('a trace that cannot be used', () => {
  it.each(['', '\n\n', 'ContextTokens,GeneratedTokens\n'])('%j is empty', async (content) => {
    await expect(readTrace(fileOf(content))).rejects.toMatchObject({ code: 'empty-trace' });
  });

  it('is missing, or a folder', async () => {
    const missing = join(directory, 'missing.csv');
    await expect(readTrace(missing)).rejects.toMatchObject({
      code: 'unreadable-trace',
      message: expect.stringContaining(missing),
    });
    await expect(readTrace(directory)).rejects.toMatchObject({ code: 'unreadable-trace' });
  });
});

describe('expanding a trace', () => {
  const model = (contextLength: number) => ({ spec: 'm', id: 'm', contextLength });
  const traceOf = (lengths: [number, number][]) => ({
    name: 'mine',
    requests: lengths.map(([promptTokens, completionTokens]) => ({
      promptTokens,
      completionTokens,
      arrivalNs: null,
      blocks: null,
    })),
    warnings: [],
  });

  it('puts requests of equal lengths into one cell', () => {
    const trace = traceOf([
      [8, 2],
      [9, 2],
      [8, 2],
    ]);
    const plan = expandTrace(trace, [model(512)]);
    expect(plan).toMatchObject({ suite: 'trace:mine', repetitions: 1, warnings: [] });
    expect(plan.cells).toMatchObject([
      { id: 'm/p8/c2', factors: { promptTokens: 8, completionTokens: 2 }, count: 2 },
      { id: 'm/p9/c2', factors: { promptTokens: 9, completionTokens: 2 }, count: 1 },
    ]);
  });

  it('shortens what exceeds the context in proportion, and counts it in one warning', () => {
    const trace = traceOf([
      [8, 2],
      [3000, 1000],
      [4808, 10],
      [1, 4000],
    ]);
    const plan = expandTrace(trace, [model(512)]);
    expect(plan.cells.map(({ id }) => id)).toEqual(['m/p8/c2', 'm/p384/c128', 'm/p511/c1', 'm/p1/c511']);
    expect(plan.warnings).toEqual([
      expect.objectContaining({
        code: 'trace-clipped',
        message: expect.stringMatching(/^3 of the trace's 4 requests exceed the 512 tokens that m /),
      }),
    ]);
  });

  it('keeps every request, and each within the context', () => {
    const length = fc.integer({ min: 1, max: 5000 });
    const lengths = fc.array(fc.tuple(length, length), { minLength: 1 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 2, max: 4096 }), (pairs, contextLength) => {
        const { cells } = expandTrace(traceOf(pairs), [model(contextLength)]);
        expect(cells.reduce((sum, { count }) => sum + count, 0)).toBe(pairs.length);
        expect(new Set(cells.map(({ id }) => id)).size).toBe(cells.length);
        for (const { factors } of cells) {
          const { promptTokens, completionTokens } = factors as Record<string, number>;
          expect(promptTokens).toBeGreaterThanOrEqual(1);
          expect(completionTokens).toBeGreaterThanOrEqual(1);
          expect(promptTokens! + completionTokens!).toBeLessThanOrEqual(contextLength);
        }
      }),
    );
  });
});
