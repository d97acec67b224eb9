import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
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
  it('gives the lengths that Azure writes, in the order of the file', async () => {
    const path = fileOf(
      'TIMESTAMP,ContextTokens,GeneratedTokens\r\n' +
        '2023-11-16 18:17:03.9799600,4808,10\r\n' +
        '2023-11-16 18:17:04.0319600,3180,8\r\n' +
        '2023-11-17 18:17:03.9799601,7,1',
      'azure.code.csv',
    );
    expect(await readTrace(path)).toEqual({
      name: 'azure.code',
      requests: [
        { promptTokens: 4808, completionTokens: 10 },
        { promptTokens: 3180, completionTokens: 8 },
        { promptTokens: 7, completionTokens: 1 },
      ],
    });
  });

  it('may have its columns in any order and case, others between, and no timestamps', async () => {
    const path = fileOf('\uFEFFgeneratedtokens, Model ,CONTEXTTOKENS\n5,"a, b",9\n\n6,c,10\n');
    expect((await readTrace(path)).requests).toEqual([
      { promptTokens: 9, completionTokens: 5 },
      { promptTokens: 10, completionTokens: 6 },
    ]);
  });

  it('is read whatever its timestamps are, as a schedule does not go by them', async () => {
    const path = fileOf('TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n');
    expect((await readTrace(path)).requests).toEqual([{ promptTokens: 1, completionTokens: 2 }]);
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
  it('gives the lengths that Mooncake writes', async () => {
    const path = fileOf(
      '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n\n' +
        '{"timestamp": 30535, "input_length": 6472, "output_length": 26}',
      'mooncake.jsonl',
    );
    expect((await readTrace(path)).requests).toEqual([
      { promptTokens: 6955, completionTokens: 52 },
      { promptTokens: 6472, completionTokens: 26 },
    ]);
  });

  it.each([
    ['{"input_length": 1, "output_length": 1}\n{"input_length": 1}', /:2: the completion length is missing/],
    ['{"input_length": 1, "output_length": 1}\n\n{"input_l', /:3: it is no JSON/],
    ['{"input_length": "1", "output_length": 1}', /:1: the prompt length is "1"/],
    ['{"input_length": 1, "output_length": 1}\nnull', /:2: the prompt length is missing/],
  ])('%j names its bad line', async (content, message) => {
    await expect(readTrace(fileOf(content, `trace-${files++}.jsonl`))).rejects.toMatchObject({
      code: 'bad-trace',
      message: expect.stringMatching(message),
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
    })),
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

const azure = sharedPath('data/azure-llm-code-2023.csv');
describe.skipIf(lacksShared)('the Azure code trace of 2023', () => {
  it('reads whole, with the mean lengths its authors publish', async () => {
    const { requests } = await readTrace(azure);
    expect(requests).toHaveLength(8819);
    // Splitwise (ISCA 2024), figure 3: a median prompt of 1500 tokens and 13 output tokens for coding.
    const middle = (lengths: number[]) => lengths.sort((a, b) => a - b)[Math.floor(lengths.length / 2)]!;
    expect(middle(requests.map(({ promptTokens }) => promptTokens))).toBeCloseTo(1500, -2);
    expect(middle(requests.map(({ completionTokens }) => completionTokens))).toBe(13);
  });
});
