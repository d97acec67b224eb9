import { describe, expect, it } from 'vitest';
import {
  cells,
  changed,
  claims,
  compare,
  cpuRows,
  driftForms,
  onDriftingMachine,
  run,
  slowed,
} from './compare.test-support.js';
import { estimateDrift } from './drift-model.js';

const forms = Object.keys(driftForms);

describe('on a machine that drifts by 1.3× over three runs', () => {
  it.each(forms)('one run a side is not called a change, nor are three in turn: %s', (form) => {
    expect(claims(onDriftingMachine({ form, seed: 1, runs: 1, repetitions: 10 }))).toBe(false);
    expect(claims(onDriftingMachine({ form, seed: 1, runs: 3, repetitions: 5 }))).toBe(false);
  });

  it('runs in turn show a change of 10%, and say nothing of drift that is not covered', () => {
    const [form] = forms;
    const comparison = onDriftingMachine({ form: form!, seed: 1, runs: 3, repetitions: 5, ratio: 1.1 });
    expect(comparison.geomean.cpuTime).toMatchObject({ verdict: 'slower', ratio: expect.closeTo(1.1, 1) });
    expect(changed(comparison).length).toBeGreaterThan(10);
    expect(comparison.warnings.map(({ code }) => code)).not.toContain('drift-not-covered');
    expect(comparison.runs!.candidate).toHaveLength(3);
  });
});

describe('drift', () => {
  it('is said not to be covered where the sides were not run in turn', () => {
    const codes = (...[baseline, candidate]: Parameters<typeof compare>) =>
      compare(baseline, candidate).warnings.map(({ code }) => code);
    const at = (seed: number, startsMs: number) => {
      const result = run(seed, 5);
      const startedAt = new Date(Date.parse(result.run.startedAt) + startsMs).toISOString();
      return { ...result, run: { ...result.run, startedAt } };
    };
    const [first, second, third, fourth] = [at(1, 0), at(2, 200), at(3, 400), at(4, 600)];
    expect(codes(first, second)).toContain('drift-not-covered');
    expect(codes([first, second], [third, fourth])).toContain('drift-not-covered');
    expect(codes([first, third], [second, fourth])).not.toContain('drift-not-covered');
    // In whatever order they are named.
    expect(codes([fourth, first], [third, second])).not.toContain('drift-not-covered');
  });

  it('hardly widens what was measured on a machine that does not', () => {
    const { drift, geomean } = compare(run(1), run(2, 10, slowed(1.05)));
    expect(drift.cpuTime).toBeLessThan(0.03);
    expect(geomean.cpuTime!.verdict).toBe('slower');
  });

  it('is taken out where sides took turns: a straight line leaves the difference as it was', () => {
    const at = Array.from({ length: 24 }, (_, k) => k);
    const candidate = at.map((k) => Math.floor(k / 4) % 2 === 1);
    const noise = (k: number) => 0.001 * Math.sin(37 * k * k);
    const logPace = at.map((k) => 0.02 * k + (candidate[k] ? 0.1 : 0) + noise(k));
    const { drift, reach } = estimateDrift({ at, candidate, logPace }, true);
    const left = logPace.map((pace, k) => pace - drift[k]!);
    const mean = (own: boolean) =>
      left.reduce((sum, pace, k) => sum + (candidate[k] === own ? pace : 0), 0) / (at.length / 2);
    // Plain means differ by 0.1 and the 0.08 that the line rises over four rounds.
    expect(mean(true) - mean(false)).toBeCloseTo(0.1, 2);
    expect(reach(0.05)).toBeLessThan(0.02);
  });

  it('of one step of noise alone reaches no farther than the noise of few rounds', () => {
    const at = Array.from({ length: 20 }, (_, k) => k);
    const candidate = at.map((k) => k >= 10);
    const logPace = at.map((k) => (k % 2 === 0 ? 0.01 : -0.01));
    expect(estimateDrift({ at, candidate, logPace }, false).reach(0.05)).toBeLessThan(0.05);
  });
});

it('runs of different settings are no side', () => {
  const other = run(2);
  const elsewhere = { ...other, hardware: { ...other.hardware, id: 'elsewhere' } };
  expect(() => compare([run(1), elsewhere], run(3))).toThrow(/given as one side and differ: hardware/);
  expect(() => compare([run(1), run(2, 10, cells.slice(0, 9))], run(3))).toThrow(/workloads differ/);
});

it('a side of several runs holds the repetitions of all', () => {
  expect(cpuRows(compare([run(1, 3), run(2, 4)], run(3, 5)))[0]!.repetitions).toEqual([7, 5]);
});
