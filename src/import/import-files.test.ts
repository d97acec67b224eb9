import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkLedger } from '../core/ledger-check.js';
import { readResult } from '../core/migrate.js';
import { isOk, type OkRequest, type Result } from '../core/result.js';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
import { costPerPosition, kvBytesPerPosition } from '../stages/testing/fake-decoder.js';
import type { ImportedResult } from './assemble.js';
import { type ImportOptions, importFiles } from './import-files.js';
import {
  aiperfRecord,
  aiperfSample,
  aiperfStart,
  guidellmOldReport,
  guidellmReport,
  llamaTests,
  mlperfSample,
  vllmResult,
} from './samples.test-support.js';

const folder = mkdtempSync(join(tmpdir(), 'tokenwork-import-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shape = { id: 'shaped', dtype: 'fp16', cost: costPerPosition };
let written = 0;

function fileOf(content: string | object, name = `${written++}.json`): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** The result as it is read back: whatever is not of the schema throws. */
async function imported(
  content: string | object | string[],
  options: Partial<ImportOptions> = {},
): Promise<Result> {
  const paths = Array.isArray(content) && typeof content[0] === 'string' ? content : [fileOf(content)];
  const made = await importFiles(paths as string[], { shape, command: 'tokenwork import', ...options });
  return readBack(made);
}

function readBack({ head, rows }: ImportedResult): Result {
  const result = readResult(JSON.parse(JSON.stringify({ ...head, requests: [...rows()] })));
  expect(checkLedger(result).violations).toEqual([]);
  return result;
}

const ok = ({ requests }: Result): OkRequest[] => requests.filter(isOk);
const ms = 1e6;
const said = ({ warnings }: Result) => warnings.map(({ message }) => message).join('\n');
/** ttft, tpot and e2e in ms. */
const latencies = ({ times, tokens }: OkRequest) => [
  (times.firstToken - times.submitted) / ms,
  (times.lastToken - times.firstToken) / (tokens.completion - 1) / ms,
  (times.ended! - times.submitted) / ms,
];

describe('AIPerf’s records', () => {
  it('keep their latency and tokens, and the server’s counts come before the client’s', async () => {
    const result = await imported(aiperfSample());
    const [first, second] = ok(result);
    expect(latencies(first!)).toEqual([40, 10, 82]);
    expect(first!.tokens).toMatchObject({ prompt: 20, completion: 5, cached: 0, reasoning: 0 });
    expect(second!.tokens).toMatchObject({ prompt: 22, completion: 6, cached: 16, reasoning: 2 });
    expect(second!.times.submitted - first!.times.submitted).toBe(20 * ms);
    expect(result.run).toMatchObject({ suite: 'import:aiperf', concurrency: 2, design: 'sampled' });
    expect(Date.parse(result.run.startedAt)).toBe(Math.floor(aiperfStart / 1e6));
  });

  it('have a histogram of gaps where every chunk is a token, and none where it may be several', async () => {
    const [tokenwise, chunkwise] = ok(await imported(aiperfSample()));
    expect(tokenwise!.interTokenLatency).not.toBeNull();
    // Five chunks of a completion of six tokens.
    expect(chunkwise!.interTokenLatency).toBeNull();
  });

  it('tell which failed and why, and leave out the warm-up and what was not streamed, with a word', async () => {
    const result = await imported(aiperfSample());
    const failed = result.requests.find((request) => !isOk(request))!;
    expect(failed.outcome).toMatchObject({
      status: 'failed',
      message: 'RequestCancellationError 499: Request was cancelled after 0.000 seconds',
    });
    expect(result.cells.find(({ id }) => id === failed.cell)!.factors).toEqual({
      promptTokens: 30,
      batch: 1,
    });
    expect(said(result)).toMatch(
      /1 request left out: of the warm-up\.\n1 request left out: no time of a first/,
    );
  });

  it('reads times in any unit', async () => {
    const inSeconds = aiperfRecord(20, 2, aiperfStart, {
      time_to_first_token: { value: 0.04, unit: 'sec' },
      request_latency: { value: 52_000, unit: 'us' },
      inter_chunk_latency: { value: [10_000_000], unit: 'ns' },
    });
    expect(latencies(ok(await imported(inSeconds))[0]!)).toEqual([40, 10, 52]);
  });
});

describe('work', () => {
  it('is derived from the shape and the tokens', async () => {
    const [first, second] = ok(await imported(aiperfSample()));
    expect(first!.work).toMatchObject({ flops: 10 * (20 + 4), kvBytes: kvBytesPerPosition * 24 });
    expect(second!.work.flops).toBe(10 * (22 - 16 + 5));
    expect(second!.stages.map(({ type }) => type)).toEqual(['prefill', 'reasoning', 'decode']);
    expect(first!.work).toMatchObject({ cpuTime: null, gpuTime: null, energy: null, peakMemory: null });
  });

  it('is absent without a shape, and says what would derive it', async () => {
    const result = await imported(aiperfSample(), { shape: null });
    expect(ok(result)[0]!.work.flops).toBeNull();
    expect(result.metrics.flops).toMatchObject({ reason: 'not-counted', hint: 'Import again with --shape.' });
    expect(result.metrics.ttft).toMatchObject({ provenance: 'measured', method: 'as recorded by AIPerf' });
    expect(result.models[0]).toMatchObject({ id: 'unknown', source: 'server', cost: null, parameters: null });
  });

  it('is never of this machine', async () => {
    const { hardware } = await imported(aiperfSample());
    expect(hardware).toEqual({
      id: 'unknown',
      cpu: { brand: 'unknown machine (AIPerf does not tell)', physicalCores: null, logicalCores: null },
      memoryBytes: null,
      gpus: [],
      ceilings: null,
    });
  });
});

describe('vllm bench serve', () => {
  it('keeps each request’s times and the load that was asked for', async () => {
    const result = await imported(vllmResult());
    expect(ok(result).map(latencies)).toEqual([
      [40, 10, 80],
      [50, expect.closeTo(20 / 3), 70],
    ]);
    // Three tokens more came in one chunk.
    expect(ok(result).map(({ interTokenLatency }) => interTokenLatency !== null)).toEqual([true, false]);
    expect(ok(result).map(({ times }) => times.submitted)).toEqual([0, 20 * ms]);
    expect(result.requests[2]!.outcome).toMatchObject({ message: 'ConnectionResetError: peer left' });
    expect(result.models[0]).toMatchObject({ id: 'meta-llama/Llama-3.1-8B-Instruct' });
    expect(result.run.startedAt).toBe('2026-01-31T12:00:00.000Z');
  });

  it('makes factors of what differs between runs, a line or a file each', async () => {
    const runs = [vllmResult({ max_concurrency: 2 }), vllmResult({ max_concurrency: 8 })];
    const appended = await imported(runs.map((run) => JSON.stringify(run)).join('\n'));
    const files = await imported(runs.map((run) => fileOf(run)));
    for (const result of [appended, files]) {
      expect(result.requests).toHaveLength(6);
      expect(new Set(result.cells.map(({ factors }) => factors.concurrency))).toEqual(new Set([2, 8]));
      expect(result.cells[0]!.factors).not.toHaveProperty('rate');
    }
  });

  it('takes the concurrency from the file, or from Little’s law, where no start is known', async () => {
    const without = vllmResult({ start_times: undefined, duration: 0.05 });
    expect((await imported(without)).run).toMatchObject({ concurrency: 2, durationNs: 80 * ms });
    // (80 + 70) ms of requests in 50 ms.
    const open = vllmResult({ start_times: undefined, duration: 0.05, max_concurrency: null });
    expect((await imported(open)).run.concurrency).toBe(3);
    expect(said(await imported(open))).toMatch(/3 requests without a start time/);
  });

  it('refuses a summary, with what to run', async () => {
    const { input_lens, ttfts, itls, errors, output_lens, ...summary } = vllmResult() as Record<
      string,
      unknown
    >;
    await expect(imported(summary)).rejects.toMatchObject({
      code: 'bad-import',
      message: expect.stringContaining('it has no input_lens'),
      hint: expect.stringContaining('--save-detailed'),
    });
  });
});

describe('GuideLLM', () => {
  it('keeps times from the targeted start on, by the epoch, and a benchmark is a level', async () => {
    const result = await imported(JSON.stringify(guidellmReport(), null, 2));
    const [first] = ok(result);
    // Sent 5 ms late; the scheduled time counts.
    expect(latencies(first!).map((value) => Math.round(value))).toEqual([45, 10, 95]);
    expect(first!.times.started - first!.times.submitted).toBeCloseTo(5 * ms, -3);
    expect(result.requests.filter((request) => !isOk(request))).toHaveLength(2);
    expect(ok(result).map(({ cell }) => cell)).toEqual(
      [1, 1, 4, 4].map((n) => `Qwen/Qwen3-0.6B/p20/c5/concurrency=${n}`),
    );
    expect(result.environment.os).toBe('Linux-6.8-x86_64');
    expect(result.run.durationNs / 1e9).toBeCloseTo(10.2, 1);
  });

  it('reads the reports of 0.2 and 0.3 too', async () => {
    expect(latencies(ok(await imported(guidellmOldReport()))[0]!)).toEqual([500, 250, 1750]);
  });
});

describe('llama-bench', () => {
  it('is a request a sample, of the passes that it ran, one after another', async () => {
    const result = await imported(llamaTests());
    const rows = ok(result);
    expect(rows).toHaveLength(9);
    const [prompt, , , generation, , , deep] = rows;
    expect(prompt!.tokens).toMatchObject({ prompt: 16, completion: 0, processed: 16 });
    expect(prompt!.work.flops).toBe(10 * 16);
    expect(prompt!.times.ended! - prompt!.times.submitted).toBe(1295250);
    // A token that begins, and seven more that are fed back.
    expect(generation!.tokens).toMatchObject({ prompt: 1, completion: 8 });
    expect(generation!.work.flops).toBe(10 * 8);
    expect(deep!.tokens).toMatchObject({ prompt: 33, cached: 32 });
    expect(deep!.work.flops).toBe(10 * 8);
    expect((generation!.times.lastToken - generation!.times.firstToken) / 7).toBeCloseTo(853912 / 8, 0);
    expect(result.run.concurrency).toBe(1);
    expect(said(result)).toMatch(/3 requests left out: prompt and generation together/);
  });

  it('names the machine, the engine and the model that the file names', async () => {
    const { hardware, models } = await imported(
      llamaTests()
        .map((test) => JSON.stringify(test))
        .join('\n'),
    );
    expect(hardware).toMatchObject({ id: 'amd-epyc', cpu: { brand: 'AMD EPYC' }, memoryBytes: null });
    expect(models).toMatchObject([
      {
        id: 'stories260K',
        parameters: 292800,
        engine: { name: 'llama.cpp', version: '11669 Debian', device: 'cpu', threads: 1 },
      },
    ]);
  });
});

describe.skipIf(lacksShared)('MLPerf’s events', () => {
  const tokenizer = lacksShared ? '' : sharedPath('models/stories260K');

  it('give requests whose texts are counted with the tokenizer', async () => {
    const result = await imported(mlperfSample(), { tokenizer });
    const [first] = ok(result);
    expect(first!.times).toMatchObject({
      submitted: 0,
      firstToken: 50 * ms,
      lastToken: 90 * ms,
      ended: 102 * ms,
    });
    expect(first!.tokens.prompt).toBeGreaterThan(0);
    expect(first!.tokens.completion).toBeGreaterThan(0);
    expect(result.requests.slice(1).map(({ outcome }) => outcome)).toMatchObject([
      { message: 'HTTPError: 503' },
      { message: 'The log ends before its answer.' },
    ]);
    expect(said(result)).toMatch(/no time of day/);
  });
});

describe('what cannot be imported', () => {
  const refused = async (content: string | object, more: object) =>
    expect(imported(content)).rejects.toMatchObject(more);
  const message = (text: string) => ({ message: expect.stringContaining(text) });

  it('is named with its place: negative and missing values, counts that contradict each other', async () => {
    const good = JSON.stringify(aiperfRecord(20, 5, aiperfStart));
    const bad = (more: object) => `${good}\n${JSON.stringify(aiperfRecord(20, 5, aiperfStart, more))}\n`;
    await refused(bad({ time_to_first_token: { value: -4, unit: 'ms' } }), {
      code: 'bad-import',
      ...message('.json:2: metrics.time_to_first_token.value'),
    });
    await refused(
      bad({ output_sequence_length: { value: 1.5, unit: 'tokens' } }),
      message('.json:2: metrics.output_sequence_length.value'),
    );
    await refused(bad({ request_latency: undefined }), message(':2: metrics.request_latency is missing'));
    await refused(
      bad({ usage_prompt_cache_read_tokens: { value: 21, unit: 'tokens' } }),
      message('21 cached tokens are more than the 20 prompt tokens'),
    );
    await refused(vllmResult({ ttfts: [0.04, null, 0] }), message('ttfts[1]'));
    await refused(vllmResult({ itls: [[]] }), message('itls has 1 entries and input_lens 3'));
  });

  it('is NaN, as Python writes it', async () => {
    await refused(JSON.stringify(vllmResult()).replace('0.05', 'NaN'), {
      code: 'bad-import',
      ...message('ttfts[1]'),
    });
    const line = JSON.stringify(aiperfRecord(20, 5, aiperfStart));
    await refused(`${line}\n${line.replace('"value":40', '"value":NaN')}\n`, message('at line 2, column'));
  });

  it('is broken JSON, with line and column', async () => {
    const line = JSON.stringify(aiperfRecord(20, 5, aiperfStart));
    await refused(`${line}\n${line.slice(0, 60)}\n`, {
      code: 'json-broken',
      ...message('the text ends too early at line 2, column 61'),
    });
    await refused(JSON.stringify(guidellmReport(), null, 2).slice(0, 300), { code: 'json-broken' });
  });

  it('is of no tool that is known, and of several', async () => {
    await refused(
      { hello: 1, world: 2 },
      {
        code: 'unknown-import',
        message: expect.stringContaining('it holds an object with "hello", "world"'),
        hint: expect.stringMatching(/AIPerf.*GuideLLM.*vllm bench serve.*llama-bench.*MLPerf/),
      },
    );
    await refused('[1, 2]', { code: 'unknown-import' });
    await refused({ schemaVersion: 4 }, { hint: expect.stringContaining('tokenwork report') });
    await expect(imported([fileOf(vllmResult()), fileOf(guidellmReport())])).rejects.toMatchObject(
      message('it is of GuideLLM, and the files before it of vllm bench serve'),
    );
  });

  it('is nothing', async () => {
    await refused('', { code: 'empty-import' });
    await refused(' \n\n', { code: 'empty-import' });
    await refused('[]', { code: 'empty-import' });
    await refused({ ...guidellmReport(), benchmarks: [] }, { code: 'empty-import' });
    await expect(imported([join(folder, 'none.json')])).rejects.toMatchObject({ code: 'json-missing' });
    await expect(imported([folder])).rejects.toMatchObject({ code: 'json-unreadable' });
  });

  it('is several models with one shape', async () => {
    const files = [fileOf(vllmResult()), fileOf(vllmResult({ model_id: 'another' }))];
    await expect(imported(files)).rejects.toMatchObject({ code: 'bad-option' });
    expect((await imported(files, { shape: null })).models.map(({ id }) => id)).toEqual([
      'meta-llama/Llama-3.1-8B-Instruct',
      'another',
    ]);
  });

  it('is MLPerf’s texts without a tokenizer', async () => {
    await refused(mlperfSample(), { code: 'bad-import', hint: expect.stringContaining('--tokenizer') });
  });
});
