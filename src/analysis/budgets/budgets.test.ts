import { describe, expect, it } from 'vitest';
import type { Result } from '../../core/result.js';
import { factorial, simulateResult, trueMisbilledShare } from '../simulated-result.test-support.js';
import { parseBudget } from './budget.js';
import { checkBudgets } from './check.js';

const check = (result: Result, text: string) => checkBudgets(result, [parseBudget(text)]);
const untestable = (reason: RegExp) =>
  expect.objectContaining({ code: 'threshold-untestable', message: expect.stringMatching(reason) });

describe('a budget', () => {
  it.each([
    ['cpuTime<=20ms/token', { metric: 'cpuTime', of: 'per token', atMost: 2e7 }],
    [' cpuTime <= 1.5 us/request ', { metric: 'cpuTime', of: 'per request', atMost: 1500 }],
    ['energy<=0.5J/request', { metric: 'energy', of: 'per request', atMost: 0.5 }],
    ['ttft<=300ms', { metric: 'ttft', of: 'median', atMost: 3e8 }],
    ['peakMemory<=2GiB', { metric: 'peakMemory', of: 'maximum', atMost: 2 ** 31 }],
    ['misbilled<=10%', { metric: null, of: 'misbilled', atMost: 0.1 }],
    ['misbilled:energy<=2.5%', { metric: 'energy', of: 'misbilled', atMost: 0.025 }],
  ])('is read from "%s"', (text, read) => {
    expect(parseBudget(text)).toEqual({ text: text.trim(), ...read });
  });

  it.each([
    ['cpuTime<20ms/token', /is no budget/, /<=/],
    ['cpuTime<=-1ms/token', /is no budget/, /<=/],
    ['cputime<=1ms/token', /No metric is called "cputime"/, /Did you mean "cpuTime"/],
    [
      'cpuTime<=1ms',
      /"ms" is no unit of a budget on cpuTime/,
      /ns\/token, µs\/token, ms\/token, s\/token, ns\/request/,
    ],
    ['cpuTime<=1J/token', /"J\/token" is no unit/, /ms\/token/],
    ['ttft<=300', /has no unit/, /Use one of ns, µs, ms, s\.$/],
    ['ttft<=300ms/token', /"ms\/token" is no unit/, /Use one of ns, µs, ms, s\.$/],
    ['misbilled<=0.1', /given in %/, /misbilled<=10%/],
    ['misbilled:ttft<=1%', /No bill can be held against "ttft"/, /misbilled:METRIC/],
  ])('"%s" is refused with what is allowed', (text, message, hint) => {
    expect(() => parseBudget(text)).toThrow(
      expect.objectContaining({
        code: 'bad-threshold',
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      }),
    );
  });
});

describe('held against a result', () => {
  // 1 ms of CPU time a token, by the simulation.
  const even = factorial([16, 64, 256], [8, 32, 128], () => 1);
  const result = simulateResult(even, { seed: 1, repetitions: 10, noise: 0.02 });

  it('is broken or kept where the whole interval lies on one side, and open in between', () => {
    const [exact] = check(result, 'cpuTime<=1ms/token');
    expect(exact).toMatchObject({ verdict: 'open', model: null });
    expect(exact!.low).toBeLessThan(1e6);
    expect(exact!.high).toBeGreaterThan(1e6);
    expect(check(result, 'cpuTime<=0.95ms/token')).toMatchObject([{ verdict: 'broken' }]);
    expect(check(result, 'cpuTime<=1.05ms/token')).toMatchObject([{ verdict: 'kept' }]);
  });

  it('has an interval that covers the truth in 95% of draws, drift between rounds included', () => {
    const draws = 400;
    let covered = 0;
    for (let seed = 1; seed <= draws; seed++) {
      const drawn = simulateResult(even, { seed, repetitions: 5, noise: 0.05, drift: 0.03 });
      const { low, high } = check(drawn, 'cpuTime<=1ms/token')[0]!;
      if (low <= 1e6 && 1e6 <= high) covered++;
    }
    // A binomial of 400 at 95% lies within these in 99.7% of tries.
    expect(covered / draws).toBeGreaterThan(0.915);
    expect(covered / draws).toBeLessThan(0.985);
  });

  it('weighs requests and tokens as the workload has them', () => {
    const exact = simulateResult(even, { seed: 1, repetitions: 2, noise: 0 });
    const tokens = even.map(({ promptTokens, completionTokens }) => promptTokens + completionTokens);
    const mean = tokens.reduce((sum, count) => sum + count, 0) / tokens.length;
    expect(check(exact, 'cpuTime<=1s/request')[0]!.value).toBeCloseTo(mean * 1e6, -1);
  });

  it('holds the misbilled share, by the metric that is nearest to money', () => {
    const uneven = factorial([16, 64, 256], [8, 32, 128], (_, completion) => (completion === 8 ? 0.5 : 1));
    const drawn = simulateResult(uneven, { seed: 3, repetitions: 10, noise: 0.01 });
    const truth = trueMisbilledShare(uneven);
    expect(check(drawn, `misbilled<=${100 * truth * 0.8}%`)).toMatchObject([
      { verdict: 'broken', metric: 'cpuTime' },
    ]);
    expect(check(drawn, `misbilled<=${100 * truth * 1.2}%`)).toMatchObject([{ verdict: 'kept' }]);
  });

  it('takes each model by itself', () => {
    const cells = even.flatMap((cell) => [cell, { ...cell, model: 'n', rate: 3 }]);
    const both = simulateResult(cells, { seed: 1, repetitions: 5, noise: 0.01 });
    expect(check(both, 'cpuTime<=2ms/token')).toMatchObject([
      { model: 'm', verdict: 'kept' },
      { model: 'n', verdict: 'broken' },
    ]);
  });

  it('cannot be tested without a figure, or without an interval', () => {
    expect(() => check(result, 'energy<=1J/request')).toThrow(untestable(/energy was not measured/));
    const once = simulateResult(even, { seed: 1, repetitions: 1, noise: 0.02 });
    expect(() => check(once, 'cpuTime<=9ms/token')).toThrow(untestable(/one round/));
    const part = structuredClone(result);
    for (const { cell, work } of part.requests) if (cell === 'cell-0' && work) work.cpuTime = null;
    expect(() => check(part, 'cpuTime<=9ms/token')).toThrow(untestable(/not measured of 1 of 9 cells/));
  });

  it('is broken on no busy machine, but kept there', () => {
    const warning = { code: 'busy-neighbours', message: 'The machine was busy.', hint: 'Stop it.' };
    const busy = { ...result, warnings: [warning] };
    expect(() => check(busy, 'cpuTime<=0.5ms/token')).toThrow(untestable(/disturbed: the machine was busy/i));
    expect(check(busy, 'cpuTime<=2ms/token')).toMatchObject([{ verdict: 'kept' }]);
  });

  it('resamples cells where the requests are a sample', () => {
    const sampled = { ...result, run: { ...result.run, design: 'sampled' as const } };
    expect(() => check(sampled, 'cpuTime<=2ms/token')).toThrow(untestable(/9 different requests are fewer/));
    const cells = factorial([16, 64, 256, 512], [8, 32, 128], (_, completion) =>
      completion === 8 ? 0.5 : 1,
    );
    const many = simulateResult(cells, { seed: 1, repetitions: 1, noise: 0.01 });
    const [outcome] = check({ ...many, run: { ...many.run, design: 'sampled' } }, 'cpuTime<=2ms/token');
    expect(outcome!.high / outcome!.low).toBeGreaterThan(1.02);
  });
});
