import { describe, expect, it } from 'vitest';
import {
  failedRequest,
  okRequest,
  realisticResult,
  testModel,
  testResult,
} from '../../analysis/result.test-support.js';
import type { Result } from '../../core/result.js';
import { type RunReportOptions, renderRun } from './run.js';

function render(result: Result, options: Partial<RunReportOptions> = {}): string {
  return renderRun(result, { width: 140, color: false, ...options });
}

/** A report's table as rows of cells, the two header lines first. */
function tableOf(report: string): string[][] {
  const lines = report.split('\n');
  const start = lines.findIndex((line) => line.startsWith('cell'));
  const end = lines.indexOf('', start);
  return lines.slice(start, end).map((line) => line.trim().split(/\s{2,}/));
}

describe('the report of a run', () => {
  const report = render(realisticResult(), { savedAt: 'out/quick.json' });

  it('has one row per cell, without the model all cells share, and units in the header', () => {
    const [names, units, ...rows] = tableOf(report);
    expect(names).toContain('CPU/token');
    expect(units).toEqual(expect.arrayContaining(['tokens', 'ms', 'MiB', 'GFLOP', '%']));
    expect(rows).toHaveLength(12);
    expect(rows[0]![0]).toBe('p16/c8');
  });

  it('shows medians of the cell', () => {
    // One request: 700 ns of CPU for 7 tokens, first token after 110 ns, last after 210.
    const [names, units, row] = tableOf(render(testResult({ requests: [okRequest()] })));
    const shown = Object.fromEntries(names!.map((name, index) => [name, row![index]]));
    expect(units).toContain('ns');
    expect(shown).toMatchObject({
      cell: 'p4/c3',
      prompt: '4',
      completion: '3',
      E2E: '210',
      TTFT: '110',
      TPOT: '50',
      floor: '100',
      'peak mem': '4',
      MFU: '50',
      MBU: '20',
      'CPU/token': '100',
    });
  });

  it('says how far apart billed tokens cost, and in which cells', () => {
    expect(report).toMatch(
      /^A billed token cost between 5\.\d\d and 1\d\.\d CPU-ms depending on the request: 2\.\d\d× apart \(cheapest: 512-token prompt, 8-token answer; dearest:\s+16-token prompt, 64-token answer\)\.$/m,
    );
  });

  it('names machine, ceilings, model, conservation, what is missing, and where it is saved', () => {
    expect(report).toContain('Machine: AMD EPYC 9B14, 2 logical cores, 24 GiB');
    expect(report).toContain('Ceilings with 1 thread: 14.2 GB/s read, 78 GFLOP/s q4');
    expect(report).toMatch(
      /Model smollm2-135m: 135 M parameters, q4, .*native on cpu, 1 thread, session shared/,
    );
    expect(report).toMatch(/CPU time: .* in all = .* in requests \(97\.1%\) \+ 0 idle \+ .* unattributed/);
    expect(report).toContain('Not measured: energy (permission). Give read access');
    expect(report.trimEnd().split('\n').at(-1)).toBe('Result: out/quick.json');
  });

  it('says nothing of failures or a cut where there were none', () => {
    expect(report).not.toMatch(/failed|cut short|Warning/);
  });

  it('names why the fallback back end ran', () => {
    const model = testModel('m', 'fp32');
    const engine = {
      ...model.engine,
      backend: 'node' as const,
      backendReason: 'libonnxruntime was not found',
    };
    expect(render(testResult({ models: [{ ...model, engine }] }))).toContain(
      'node (libonnxruntime was not found)',
    );
  });
});

describe('the width of a report', () => {
  const cells = ['a/very-long-prompt-name/c32', 'b/very-long-prompt-name/c32'].map((id) => ({
    id,
    model: id[0]!,
    factors: {},
  }));
  const models = [testModel('a', 'fp32'), testModel('b', 'fp32')];
  const requests = cells.map(({ id }) => okRequest({ cell: id }));

  it.each([140, 100, 80, 60, 40])('is kept to %d columns', (width) => {
    const results = [
      realisticResult(),
      testResult({ models, cells, requests: [...requests, failedRequest()] }),
    ];
    for (const result of results) {
      const lines = render(result, { width, savedAt: 'out.json' }).split('\n');
      expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
    }
  });

  it('costs no column: those there is no room for stand below, beside the names again', () => {
    const headings = (report: string) =>
      report.split('\n').flatMap((line) => (line.startsWith('cell') ? line.trim().split(/\s{2,}/) : []));
    const wide = headings(render(realisticResult()));
    const narrow = headings(render(realisticResult(), { width: 80 }));
    expect(wide).toEqual(expect.arrayContaining(['TTFT', 'floor', 'MBU', 'CPU/token']));
    expect(new Set(narrow)).toEqual(new Set(wide));
    expect(narrow.filter((name) => name === 'cell').length).toBeGreaterThan(1);
  });

  it('cuts cell names in their middle', () => {
    const narrow = tableOf(render(testResult({ models, cells, requests }), { width: 22 }));
    expect(narrow.at(-1)![0]).toMatch(/^b\/.+….+c32$/);
  });
});

describe('colour', () => {
  it('changes nothing but the colour', () => {
    const result = realisticResult({ warnings: [{ code: 'w', message: 'Something.', hint: 'Do it.' }] });
    const colored = render(result, { color: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for.
    const escapes = /\u001b\[\d+m/g;
    expect(colored).toMatch(escapes);
    expect(colored.replace(escapes, '')).toBe(render(result));
  });
});

describe('a run that went wrong', () => {
  it('says what failed, how often and why', () => {
    const tooLong = { status: 'failed' as const, code: 'context-exceeded', message: 'Too long.' };
    const report = render(
      testResult({
        requests: [okRequest(), failedRequest(), failedRequest({ outcome: tooLong }), failedRequest()],
      }),
    );
    expect(report).toContain(
      '3 of 4 requests failed: 2 × worker-died (The worker exited with code 9), 1 × context-exceeded (Too long).',
    );
    const [names, , row] = tableOf(report);
    expect(row![names!.indexOf('failed')]).toBe('3');
  });

  it('says how far it came', () => {
    const run = { ...testResult().run, complete: false, plannedRequests: 60 };
    expect(render(testResult({ run, requests: [okRequest()] }))).toContain(
      'The run was cut short: 1 of 60 planned requests were run.',
    );
  });

  it('shows dashes, and why no spread is known, where nothing was measured', () => {
    const report = render(testResult({ requests: [failedRequest()] }));
    const [, row] = tableOf(report);
    expect(row!.slice(1, -1).every((value) => value === '–')).toBe(true);
    expect(report).toContain('is not known: no CPU time was measured.');
    expect(report).not.toMatch(/NaN|Infinity|undefined|null/);
  });

  it('survives a result without cells', () => {
    const report = render(
      testResult({ cells: [], models: [], hardware: { ...testResult().hardware, ceilings: null } }),
    );
    expect(report).toContain('No cell was planned.');
  });

  it('carries every warning with its hint', () => {
    const warnings = [
      { code: 'cpu-fallback', message: 'Two nodes ran on the CPU.', hint: 'Use another dtype.' },
    ];
    expect(render(testResult({ warnings }))).toContain(
      'Warning: Two nodes ran on the CPU. Use another dtype.',
    );
  });
});

describe('a run of very many cells', () => {
  const ids = Array.from({ length: 100 }, (_, index) => `m/p${index + 1}/c3`);
  const cells = ids.map((id) => ({ id, model: 'm', factors: {} }));
  const requests = ids.map((cell, index) =>
    okRequest({ cell, work: { ...okRequest().work, cpuTime: 7 * (index + 1) } }),
  );
  const report = render(testResult({ cells, requests }));

  it('shows the cheapest and the dearest, and says so', () => {
    const rows = tableOf(report).slice(2);
    expect(rows).toHaveLength(16);
    expect(rows[0]![0]).toBe('p1/c3');
    expect(rows.at(-1)![0]).toBe('p100/c3');
    expect(report).toMatch(/The 8 cheapest and dearest .* of 100 cells/);
  });

  it('gives the percentiles its sample allows', () => {
    expect(report).toMatch(/Over 100 requests of m: TTFT median 110 ns, p90 110 ns; E2E median/);
    expect(report).not.toMatch(/p9[59] \d/);
  });
});
