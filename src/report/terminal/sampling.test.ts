import { describe, expect, it } from 'vitest';
import { okRequest, testResult } from '../../analysis/result.test-support.js';
import type { Result } from '../../core/result.js';
import { renderRun } from './run.js';

const cost = { cpuShare: 0.004, durationNs: 1e9, samples: 100, dropped: 0, missed: 0 };
const measured: Result['metrics'][string] = {
  ...({ unit: 'J', provenance: 'measured' } as const),
  method: 'package-0 (rapl counter)',
  ...{ reason: null, hint: null },
};

/** A request of 7 billed tokens and 1.4 J. */
function result(changes: Partial<Result> = {}): Result {
  const request = okRequest();
  const work = { ...request.work, energy: 1.4, gpuTime: 5e6 };
  return testResult({
    metrics: { energy: measured },
    requests: [{ ...request, work }],
    conservation: { 'energy/package-0': { total: 10, requests: 7.5, idle: 2, unattributed: 0.5, unit: 'J' } },
    ...changes,
  });
}

const render = (of: Result, width = 140) => renderRun(of, { width, color: false });

describe('the report of a run that was sampled', () => {
  it('shows energy by request and by token, and GPU time', () => {
    const [names, units, row] = render(result())
      .split('\n')
      .filter((_, index, lines) => {
        const start = lines.findIndex((line) => line.startsWith('cell'));
        return index >= start && index < start + 3;
      })
      .map((line) => line.trim().split(/\s{2,}/));
    // Units stand below all names but that of the cells.
    const column = (name: string) => {
      const at = names!.indexOf(name);
      return [units![at - 1], row![at]];
    };
    expect([column('GPU'), column('energy'), column('J/token')]).toEqual([
      ['ms', '5'],
      ['J', '1.40'],
      ['mJ', '200'],
    ]);
  });

  it('has no such columns, and does not miss them, where nothing was measured', () => {
    const text = render(testResult({ requests: [okRequest()] }), 60);
    expect(text).not.toMatch(/J\/token|energy,|GPU/);
  });

  it('keeps to a narrow terminal', () => {
    for (const line of render(result(), 60).split('\n')) expect(line.length).toBeLessThanOrEqual(60);
    expect(render(result(), 60)).toContain('J/token');
  });

  it('says where the energy of each device went, and what it drew at rest', () => {
    const text = render(
      result({
        idleBaseline: {
          'energy/package-0': { unit: 'W', before: 12.5, after: null, mean: 12.5, drift: null },
        },
      }),
    );
    expect(text).toContain(
      'Energy of package-0: 10 J in all = 7.50 J in requests (75%) + 2 J idle + 500 mJ unattributed',
    );
    expect(text).toContain('At rest: package-0 12.5 W before.');
  });

  it('says how far sharing is off, against what', () => {
    const error = {
      ...{ metric: 'cpuTime', method: 'share by overlap', against: 'its own counter' },
      ...{ median: 0.02, largest: 0.1, compared: 12, concurrency: 4 },
    };
    expect(render(result({ attributionErrors: [error] }))).toContain(
      'Error of sharing CPU time among 4 requests (share by overlap): median 2%, largest 10% of 12, against its own counter.',
    );
  });

  it.each([
    [cost, false],
    [{ ...cost, cpuShare: 0.03 }, true],
    [{ ...cost, dropped: 3 }, true],
  ])('tells the cost of the sampler where it is notable (%o)', (sampler, told) => {
    const of = result();
    const text = render({ ...of, environment: { ...of.environment, sampler } });
    expect(text.includes('The sampler used')).toBe(told);
  });
});
