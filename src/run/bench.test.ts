import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readResult } from '../core/migrate.js';
import { isOk } from '../core/result.js';
import {
  bench,
  driveBench,
  expectWhole,
  folder,
  models,
  out,
  smallSuite,
  writeSuite,
} from './testing/driven-bench.js';

describe('a benchmark', () => {
  it('records every planned request once, with what it cost', async () => {
    const { result, path } = await bench({ suite: smallSuite, out });
    expect(result.hardware.ceilings).toBeNull();
    expect(path).toBe(out);
    expect(readdirSync(folder)).toEqual(['result.json']);
    expect(readResult(JSON.parse(readFileSync(out, 'utf8')))).toEqual(result);
    expectWhole(result);
    expect(result.cells).toHaveLength(5);
    expect(result.run.warmupRequests).toBe(2);
    expect(result.models[0]).toMatchObject({ id: 'tiny', source: 'synthesised', dtype: 'fp32' });

    const { durationNs } = result.run;
    for (const request of result.requests.filter(isOk)) {
      const { submitted, started, firstToken, lastToken } = request.times;
      const inOrder = [0, submitted, started, firstToken, lastToken, durationNs];
      expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
      const { factors } = result.cells.find(({ id }) => id === request.cell)!;
      expect(request.tokens.completion).toBe(factors.completionTokens);
      if (factors.promptTokens !== undefined) expect(request.tokens.prompt).toBe(factors.promptTokens);
      expect(request.interTokenLatency === null).toBe(factors.completionTokens === 1);
      expect(request.work.flops).toBeGreaterThan(0);
      const evaluated = request.tokens.processed - 1;
      expect(request.work.kvBytes).toBe(evaluated * result.models[0]!.cost!.kvBytesPerToken);
    }
    if (result.metrics.peakMemory!.provenance === 'measured') {
      const ok = result.requests.filter(isOk);
      const measured = ok.filter(({ work }) => work.peakMemory !== null);
      // One for six that are measured: 2 for 10, of 5 cells.
      expect(new Set(measured.map(({ cell }) => cell))).toEqual(
        new Set([0, 2].map((index) => result.cells[index]!.id)),
      );
      expect(measured).toHaveLength(2);
      for (const { work, absent } of ok.filter((row) => !measured.includes(row)))
        expect([work.peakMemory, absent?.peakMemory]).toEqual([null, 'not-sampled']);
    }
    const { total, requests, unattributed } = result.conservation.cpuTime!;
    expect(total).toBe(requests + unattributed);
    expect(unattributed).toBeGreaterThanOrEqual(0);
  });

  it('runs pipelines with the models they ask for, their books in balance', async () => {
    const suite = writeSuite('pipelines', {
      models,
      roles: Object.fromEntries(
        ['classifier', 'embedder'].map((role) => [role, { model: 'tiny-encoder', dtype: 'fp32' }]),
      ),
      design: [
        { promptTokens: [9], completionTokens: [3], pipelines: ['guarded-rag-reasoning'] },
        {
          promptTokens: [9],
          completionTokens: [3],
          pipelines: ['agent'],
          policies: { 'prefill.cache': ['warm', 'cold'] },
        },
      ],
      questions: [{ text: 'Is it?', factor: 'prefill.cache', baseline: 'warm', metric: 'flops' }],
      repetitions: 2,
    });
    const { result } = await bench({ suite, out });
    expectWhole(result);
    expect(result.warnings.filter(({ code }) => code === 'ledger-mismatch')).toEqual([]);
    expect(result.models.map(({ id, roles }) => [id, roles])).toEqual([
      ['tiny', ['chat']],
      ['tiny-encoder-classifier', ['classifier']],
      ['tiny-encoder', ['embedder']],
    ]);
    expect(result.run.questions).toMatchObject([{ factor: 'prefill.cache', statistics: ['mean'] }]);
    const ok = result.requests.filter(isOk);
    const [warm, cold] = ['warm', 'cold'].map((state) => ok.filter(({ cell }) => cell.includes(`=${state}`)));
    for (const { tokens } of cold!) expect(tokens).toMatchObject({ prompt: 256 + 4 * 12 + 9, cached: 0 });
    // 19 whole blocks of 16 of the 313 tokens.
    for (const { tokens } of warm!) expect(tokens).toMatchObject({ prompt: 313, cached: 304 });
    expect(warm![0]!.work.flops!).toBeLessThan(cold![0]!.work.flops! / 5);
    const [guarded] = ok.filter(({ cell }) => cell.includes('guarded'));
    expect(new Set(guarded!.stages.map(({ type }) => type))).toEqual(
      new Set(['tokenization', 'safety', 'retrieval', 'prefill', 'reasoning', 'decode', 'detokenization']),
    );
    expect(guarded!.tokens).toMatchObject({ prompt: 9, completion: 3 });
    expect(guarded!.tokens.hidden).toBeGreaterThan(50);
  });

  it('fails requests at their deadline, by name, and says so', async () => {
    const suite = writeSuite('late', {
      models,
      design: [{ promptTokens: [4], completionTokens: [400] }],
      repetitions: 2,
    });
    const { result } = await bench({ suite, out, deadlineMs: 1, warmup: 0 });
    expect(result.run.complete).toBe(true);
    for (const { outcome } of result.requests) expect(outcome).toMatchObject({ code: 'deadline-exceeded' });
    expect(result.warnings).toContainEqual(expect.objectContaining({ code: 'requests-failed' }));
  });

  it('refuses an output that cannot be written before it measures anything', async () => {
    await expect(bench({ suite: smallSuite, out: join(folder, 'no', 'x.json') })).rejects.toMatchObject({
      code: 'unwritable-output',
      exitCode: 2,
    });
  });

  it.each(['folder', 'device'])('refuses to put its result in place of a %s', async (kind) => {
    const place = kind === 'device' ? '/dev/null' : folder;
    await expect(bench({ suite: smallSuite, out: place })).rejects.toMatchObject({
      code: 'unwritable-output',
      message: expect.stringContaining(kind),
      exitCode: 2,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses to start beside another, and what is no option, before anything is opened', async () => {
    const first = bench({ suite: smallSuite, out, signal: AbortSignal.abort() });
    await expect(bench({ suite: smallSuite, out })).rejects.toMatchObject({
      code: 'run-in-progress',
      exitCode: 2,
    });
    await expect(first).rejects.toMatchObject({ exitCode: 3 });
    await expect(bench({ out, device: 'cude' as 'cuda' })).rejects.toMatchObject({
      code: 'bad-option',
      exitCode: 2,
    });
    const design = [{ promptTokens: [4], completionTokens: [2], bach: [1] }];
    const suite = { name: 'mine', description: 'mine', models: [{ model: 'tiny' }], design, repetitions: 1 };
    await expect(bench({ out, suite })).rejects.toMatchObject({
      code: 'bad-suite',
      message: expect.stringMatching(/^suite mine: design\[0\].*bach/),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves nothing behind where the model does not open', async () => {
    await expect(bench({ suite: smallSuite, out, models: ['no-such-model'] })).rejects.toMatchObject({
      exitCode: 2,
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a benchmark that is cut short', () => {
  it('starts again, as it was asked for, what was killed before anything was measured', async () => {
    const asked = { suite: smallSuite, repetitions: 1, seed: 5, deadlineMs: 90_500 };
    const { child, preparing, ended } = driveBench({ ...asked, out });
    await preparing;
    child.kill('SIGKILL');
    expect(await ended).toMatchObject({ signal: 'SIGKILL' });
    expect(readdirSync(folder).filter((name) => !name.endsWith('.lock'))).toEqual([
      'result.json.journal.jsonl',
    ]);

    await expect(bench({ resume: out, seed: 6, threads: 2 })).rejects.toMatchObject({
      code: 'resume-differs',
      message: expect.stringContaining('threads was not given and is 2; seed was 5 and is 6'),
    });
    const notes: (string | undefined)[] = [];
    const { result, path } = await bench({
      ...{ resume: out, device: 'auto', command: 'other' },
      onProgress: ({ note }) => notes.push(note),
    });
    expect(path).toBe(out);
    expect(notes.find(Boolean)).toMatch(/ended before anything was measured.*started again.*: test$/);
    expectWhole(result);
    const { suite, ...rest } = asked;
    expect(result.run.settings).toMatchObject({ ...rest, workload: { suite } });
    expect(result.run.command).toBe('test');
    expect(result.warnings.filter(({ code }) => code === 'resumed')).toEqual([]);
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('keeps the journal where the result cannot be written, and writes it later without its models', async () => {
    const inTheWay = ({ phase }: { phase: string }) => {
      if (phase === 'measuring') mkdirSync(out, { recursive: true });
    };
    await expect(bench({ suite: smallSuite, out, onProgress: inTheWay })).rejects.toMatchObject({
      code: 'result-unwritable',
      exitCode: 3,
    });
    expect(readdirSync(folder).sort()).toEqual(['result.json', 'result.json.journal.jsonl']);
    rmdirSync(out);
    const noCache = join(folder, 'no-cache');
    const { result } = await bench({ resume: out, cacheDirectory: noCache });
    expectWhole(result);
    expect(readdirSync(folder)).toEqual(['result.json']);
  });
});
