import { describe, expect, it } from 'vitest';
import type { Result, Timeline } from '../../core/result.js';
import { comparisonHeadline } from '../../report/words/comparison.js';
import { signsOfBusyMachine } from './busy.js';
import type { Comparison } from './compare.js';
import { changed, compare, cpuRows, onBusyMachine, rate, run, slowed } from './compare.test-support.js';
import { parseThreshold, refuseUntestable } from './fail-on.js';

const quiet = [rate('system', 'busyTime', 1.1), rate('process', 'cpuTime', 1)];
const disturbed = [rate('system', 'busyTime', 1.9), rate('process', 'cpuTime', 1)];
const waiting = (result: Result, share: number): Result => ({
  ...result,
  requests: result.requests.map((row) =>
    row.times === null ? row : { ...row, runQueueWait: share * (row.times.lastToken! - row.times.started) },
  ) as Result['requests'],
});

const onGpu = (reasons: number): Result => {
  const result = run(1);
  const models = result.models.map((model) => ({ ...model, engine: { ...model.engine, device: 'cuda' } }));
  return { ...result, models, timeline: [rate('gpu-0', 'throttleReasons', reasons)] };
};

describe('a machine was busy', () => {
  it.each<[string, Result, RegExp]>([
    [
      'by other processes in the time line',
      { ...run(1), timeline: disturbed },
      /other processes kept 0\.9 cores/,
    ],
    [
      'by what a hypervisor took',
      { ...run(1), timeline: [rate('system', 'stolenTime', 0.1)] },
      /0\.10 cores/,
    ],
    ['by rows whose threads waited', waiting(run(1), 0.05), /waited for a core for 5\.0%/],
    [
      'by a quota that withheld CPU time',
      { ...run(1), timeline: [rate('system', 'withheldTime', 0.3)] },
      /a CPU quota withheld 0\.30 cores/,
    ],
    [
      'by heat',
      // 10 a second for the 0.2 s that it ran.
      { ...run(1), timeline: [rate('system', 'thermalThrottles', 10)] },
      /throttled for heat \(2×\)/,
    ],
    [
      'by a limit of the clock that fell',
      {
        ...run(1),
        timeline: [{ ...rate('system', 'frequencyLimit', 0.6), values: [0.8, 0.8, 0.8, 0.6, 0.6] }],
      },
      /fell to 75% of what it was/,
    ],
    ['by a GPU that was slowed down', onGpu(0x48), /gpu-0 was slowed down for heat or power for 100%/],
    [
      'by what its run warned of',
      { ...run(1), warnings: [{ code: 'busy-neighbours', message: 'A GPU was busy.', hint: '' }] },
      /^A GPU was busy$/,
    ],
  ])('%s', (_, result, sign) => {
    expect(signsOfBusyMachine(result).map(({ words }) => words)).toEqual([expect.stringMatching(sign)]);
  });

  it('is not said of a quiet one, nor by the time line of a recording', () => {
    expect(signsOfBusyMachine({ ...run(1), timeline: quiet })).toEqual([]);
    expect(signsOfBusyMachine(waiting(run(1), 0.01))).toEqual([]);
    // At its power limit, a GPU runs as it always does; one that is not used says nothing.
    expect(signsOfBusyMachine(onGpu(0x04))).toEqual([]);
    expect(signsOfBusyMachine({ ...onGpu(0x48), models: run(1).models })).toEqual([]);
    const low = { ...rate('system', 'frequencyLimit', 0.6), values: [0.6, 0.6, 0.6, 0.6, 0.6] };
    expect(signsOfBusyMachine({ ...run(1), timeline: [low] })).toEqual([]);
    const recording = { file: 'a.jsonl', sha256: 'ab', machine: 'b', recordedAt: '2026-11-24T10:00:00.000Z' };
    const played = { ...run(1), timeline: disturbed };
    expect(signsOfBusyMachine({ ...played, environment: { ...played.environment, recording } })).toEqual([]);
  });
});

const inTurn = (busyCores: number, paces: readonly number[], factor: number): Comparison =>
  onBusyMachine({ busyCores, baseline: [1, 1, 1, 1], candidate: paces.map((pace) => factor * pace) });

describe('runs in turn on a busy machine', () => {
  it('show a planted slowdown of 15%, and warn', () => {
    const comparison = inTurn(0.5, [1, 1.02, 0.98, 1], 1.15);
    expect(comparison.geomean.cpuTime).toMatchObject({ verdict: 'slower', ratio: expect.closeTo(1.15, 1) });
    expect(comparison.warnings[0]).toMatchObject({
      code: 'measured-busy',
      message: expect.stringMatching(/0\.5 cores busy \(limit 0\.2\).*intervals are wider/),
    });
    expect(() => refuseUntestable(comparison, [parseThreshold('cpuTime>10%')])).not.toThrow();
  });

  it('bear intervals no narrower than Student’s of the means of runs', () => {
    // 15% by which the runs of one side differ: an error of √(0.0225 ÷ 6 × ½) of the difference, 6 degrees of freedom.
    const logs = [0.15, 0.15, 0, 0].map((log) => Math.exp(log));
    const { drift } = inTurn(0.5, logs, 1);
    expect(drift.cpuTime).toBeGreaterThanOrEqual(0.98 * 2.4469 * Math.sqrt(((0.15 ** 2 / 6) * 1) / 2));
    expect(inTurn(0, logs, 1).drift.cpuTime).toBeLessThan(drift.cpuTime!);
  });

  it('bear no verdict where the machine was busier than turns even out', () => {
    const comparison = inTurn(1.5, [1, 1, 1, 1], 1.5);
    expect(comparison.geomean.cpuTime!.verdict).toBeNull();
    expect(comparison.warnings[0]!.message).toMatch(/more than turns even out/);
  });
});

describe('a comparison with a busy side', () => {
  const busy = { ...run(2, 10, slowed(2)), timeline: disturbed };
  const comparison = compare({ ...run(1), timeline: quiet }, busy);

  it('shows ratios, bears no verdict of what was measured, and says why', () => {
    expect(cpuRows(comparison)[0]!.ratio).toBeCloseTo(2, 1);
    expect(changed(comparison)).toEqual([]);
    expect(comparison.geomean.cpuTime!.verdict).toBeNull();
    expect(comparison.warnings[0]).toMatchObject({
      code: 'measured-busy',
      message: expect.stringMatching(/of the candidate, other processes kept 0\.9 cores busy/),
    });
    expect(comparison.warnings[0]!.message).not.toContain('baseline');
    expect(comparisonHeadline(comparison)).toMatch(/cannot be told, as the machine was busy/);
  });

  it('keeps the verdicts of what is counted', () => {
    const counted = (flops: number, timeline: Timeline[]): Result => {
      const result = run(1);
      for (const request of result.requests) Object.assign(request.work!, { flops });
      const about = { ...result.metrics.cpuTime!, unit: 'FLOP', provenance: 'derived' as const };
      return { ...result, timeline, metrics: { ...result.metrics, flops: about } };
    };
    expect(compare(counted(100, quiet), counted(150, disturbed)).geomean.flops!.verdict).toBe('more');
  });

  it('fails a check against a threshold, which it cannot test', () => {
    expect(() => refuseUntestable(comparison, [parseThreshold('cpuTime>10%')])).toThrow(/machine was busy/);
  });
});
