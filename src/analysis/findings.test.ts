import { describe, expect, it } from 'vitest';
import type { Result } from '../core/result.js';
import { findingsOf } from './findings.js';
import { failedRequest, okRequest, realisticResult, testResult } from './result.test-support.js';
import { factorial, simulateResult, trueMisbilledShare } from './simulated-result.test-support.js';

const grid = (rateOf: (prompt: number, completion: number, index: number) => number) =>
  factorial([16, 64, 256, 512, 1024], [16, 64, 128, 256], rateOf);
const exact = { seed: 1, repetitions: 3, noise: 0 };
const cpuTime = (result: Result, options = {}) => findingsOf(result, options).uniformity.cpuTime!;

/** Every number in the findings, with its path. */
function* numbersIn(value: unknown, path = ''): Generator<[string, number]> {
  if (typeof value === 'number') yield [path, value];
  else if (value !== null && typeof value === 'object') {
    for (const [key, part] of Object.entries(value)) yield* numbersIn(part, `${path}.${key}`);
  }
}

describe('intervals of single cells', () => {
  /** Two cells of equal noise: log work of two requests each, ±σ/√2 around its mean. */
  const sigma = 0.1;
  const cells = [128, 256].map((promptTokens) => ({ promptTokens, completionTokens: 128, rate: 1 }));
  const result = simulateResult(cells, { seed: 1, repetitions: 2, noise: 0 });
  const signs = [1, -1, -1, 1];
  for (const [i, { work }] of result.requests.entries()) {
    work!.cpuTime! *= Math.exp((signs[i]! * sigma) / Math.SQRT2);
  }
  const { effectiveTokens, plainToken } = findingsOf(result, { design: 'fixed' });
  // Four values less two cells leave two degrees of freedom, at which t is (2p − 1)/√(2p(1 − p)).
  const t = 0.95 / Math.sqrt(2 * 0.975 * 0.025);
  const variance = Math.log1p(Math.expm1(sigma ** 2) / 2);

  it('reach t standard errors, the plain token’s own among them', () => {
    const [reference, other] = effectiveTokens!.cpuTime!;
    expect(other!.high! / other!.effective).toBeCloseTo(Math.exp(t * Math.sqrt(2 * variance)), 6);
    expect(other!.effective / other!.low!).toBeCloseTo(Math.exp(t * Math.sqrt(2 * variance)), 6);
    expect([reference!.low, reference!.effective, reference!.high]).toEqual([256, 256, 256]);
  });

  it('hold what rounds drifted where a cell stands for itself', () => {
    const { value, low, high } = plainToken.cpuTime!;
    expect(high! / value!).toBeCloseTo(Math.exp(t * Math.sqrt(variance)), 6);
    const drifting = simulateResult(cells, { seed: 3, repetitions: 5, noise: 0.01, drift: 0.2 });
    const found = findingsOf(drifting, { design: 'fixed' }).plainToken.cpuTime!;
    expect(found.high! / found.low!).toBeGreaterThan(1.1);
    expect(low).toBeLessThan(value!);
  });
});

it('the ratio of tails is that of the cells, however often each is repeated', () => {
  const cells = grid((_prompt, _completion, index) => 1 + index ** 2);
  const tails = [1, 2, 5].map(
    (repetitions) =>
      cpuTime(simulateResult(cells, { seed: 1, repetitions, noise: 0 }), { design: 'fixed' }).workPerToken
        .p95OverP5.value!,
  );
  // Type 7 over 20 cells: the 95th percentile lies at 18.05 of 0 … 19, the 5th at 0.95.
  const at = (below: number, share: number) =>
    (1 - share) * (1 + below ** 2) + share * (1 + (below + 1) ** 2);
  for (const ratio of tails) expect(ratio).toBeCloseTo(at(18, 0.05) / at(0, 0.95), 9);
});

it('a sample with a heavy tail says so beside its intervals, and gives none of R²', () => {
  const paretoOf = (index: number) =>
    Array.from({ length: 200 }, (_, k) => ({
      promptTokens: Math.round(100 * ((k + 0.5) / 200) ** (-1 / index)),
      completionTokens: 64,
      rate: 1 + 0.1 * (k % 3),
    }));
  const found = (index: number) =>
    findingsOf(simulateResult(paretoOf(index), exact), { design: 'sampled', resamples: 50 });
  const [heavy, less, light] = [found(1.2), found(2.5), found(20)];
  const of = heavy.uniformity.cpuTime!;
  expect(of.misbilledShare.caution).toContain('heavy tail');
  expect(of.misbilledShare.low).not.toBeNull();
  expect(of.rSquared.oneRate.low).toBeNull();
  expect(of.rSquared.oneRate.reason).toContain('no variance');
  expect(heavy.workload.intervals).toContain('heavy tail');
  expect(less.uniformity.cpuTime!.rSquared.oneRate).toMatchObject({
    low: null,
    reason: expect.stringContaining('66% to 89%'),
  });
  expect(less.uniformity.cpuTime!.misbilledShare).not.toHaveProperty('caution');
  expect(less.workload.intervals).toContain('none is given');
  expect(light.uniformity.cpuTime!.misbilledShare.caution).toBeUndefined();
  expect(light.uniformity.cpuTime!.rSquared.oneRate.low).not.toBeNull();
  expect(light.uniformity.cpuTime!.workPerToken.p95OverP5.caution).toContain('90% to 91%');
  expect(light.workload.intervals).not.toContain('heavy tail');
});

describe('findings without noise', () => {
  const cells = grid((prompt) => (prompt <= 64 ? 2 : 1));
  const found = cpuTime(simulateResult(cells, exact));

  it('state the misbilled share by its definition, exactly', () => {
    const { value, low, high, noiseFloor, verdict } = found.misbilledShare;
    expect(value).toBeCloseTo(trueMisbilledShare(cells), 10);
    expect([low, high, noiseFloor]).toEqual([value, value, 0]);
    expect(verdict).toBe('non-uniform');
  });

  it('draw the Lorenz curve through the two rates’ corner', () => {
    // The cells at 1 come first: their share of the bill, and of the work.
    const tokens = (cell: (typeof cells)[number]) => cell.promptTokens + cell.completionTokens;
    const sum = (some: typeof cells, of: (cell: (typeof cells)[number]) => number) =>
      some.reduce((total, cell) => total + of(cell), 0);
    const cheap = cells.filter(({ rate }) => rate === 1);
    const corner = found.lorenz[cheap.length]!;
    expect(found.lorenz).toHaveLength(cells.length + 1);
    expect(corner.bill).toBeCloseTo(sum(cheap, tokens) / sum(cells, tokens), 10);
    expect(corner.work).toBeCloseTo(sum(cheap, tokens) / sum(cells, (cell) => cell.rate * tokens(cell)), 10);
  });

  it('have a Gini equal to the misbilled share where there are but two rates', () => {
    expect(found.gini.value).toBeCloseTo(found.misbilledShare.value!, 10);
  });

  it('name the cells that pay half their cost before those that pay too much', () => {
    const total = cells.reduce((sum, cell) => sum + cell.promptTokens + cell.completionTokens, 0);
    const work = cells.reduce(
      (sum, cell) => sum + (cell.promptTokens + cell.completionTokens) * cell.rate,
      0,
    );
    expect(found.worstCells).toHaveLength(5);
    for (const { paysTimesItsCost } of found.worstCells)
      expect(paysTimesItsCost).toBeCloseTo(work / total / 2, 10);
  });

  it('lay the unevenness at the door of the factor that makes it', () => {
    const [first, ...others] = found.drivers!;
    expect(first!.factor).toBe('promptTokens');
    expect(others.find(({ factor }) => factor === 'completionTokens')!.share).toBeLessThan(1e-9);
    expect(found.drivers!.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 10);
  });
});

describe('a misbilled share that is exact', () => {
  it.each([
    [1.01, 'negligible'],
    [1.1, 'non-uniform'],
  ])('of prompts that cost %f times as much is called %s', (rate, verdict) => {
    const cells = grid((prompt) => (prompt <= 256 ? rate : 1));
    expect(cpuTime(simulateResult(cells, exact)).misbilledShare.verdict).toBe(verdict);
  });
});

describe('drivers among few cells', () => {
  it('are numbers before names, however many values a number has', () => {
    const cells = [16, 32, 64, 100, 128, 200, 256, 400, 512].map((promptTokens, index) => ({
      promptTokens,
      completionTokens: 32,
      rate: 1 + promptTokens / 100,
      factors: { topic: ['a', 'b', 'c', 'd', 'e'][index % 5]! },
    }));
    const { drivers, driversLeftOut } = cpuTime(simulateResult(cells, exact));
    expect(drivers!.map(({ factor }) => factor)).toEqual(['promptTokens', 'unexplained']);
    expect(drivers![0]!.share).toBeGreaterThan(0.95);
    expect(driversLeftOut).toEqual([{ factor: 'topic', reason: expect.stringContaining('5 values') }]);
  });
});

describe('tariffs', () => {
  it('recover the prices that made the work, and leave nothing misbilled under them', () => {
    const work = (prompt: number, completion: number) => 2 * prompt + 5 * completion + 300;
    const cells = grid((prompt, completion) => work(prompt, completion) / (prompt + completion));
    const { tariffs, rSquared } = cpuTime(simulateResult(cells, exact));
    const [prices] = tariffs.inputOutputFee!.prices;
    expect(prices!.inputPerToken / 1e6).toBeCloseTo(2, 8);
    expect(prices!.outputPerToken / 1e6).toBeCloseTo(5, 8);
    expect(prices!.perRequest / 1e6).toBeCloseTo(300, 5);
    expect(tariffs.inputOutputFee!.misbilledShare).toBeLessThan(1e-10);
    expect(rSquared.inputOutputFee.value).toBeCloseTo(1, 10);
    expect(rSquared.inputOutputFee.verdict).toBe('not distinguishable');
    expect(rSquared.oneRate.value!).toBeLessThan(rSquared.inputOutput.value!);
    expect(rSquared.oneRate.verdict).toBe('non-uniform');
  });

  it('are not determined by a design whose output never varies, and say so', () => {
    const cells = factorial([16, 64, 256], [32], (prompt) => 1 + prompt / 100);
    const { rSquared, tariffs } = cpuTime(simulateResult(cells, exact));
    expect(rSquared.inputOutputFee).toMatchObject({
      value: null,
      reason: expect.stringContaining('cannot be told apart'),
    });
    expect(tariffs.inputOutputFee).toBeNull();
    expect(rSquared.oneRate.value).not.toBeNull();
  });
});

describe('elasticity and work per token', () => {
  it('give the exponent of a power law', () => {
    const cells = grid((prompt, completion) => (prompt + completion) ** 0.3);
    expect(cpuTime(simulateResult(cells, exact)).elasticity.value).toBeCloseTo(1.3, 10);
  });

  it('give the closed forms of rates 1, 2, …, 20', () => {
    const { workPerToken } = cpuTime(
      simulateResult(
        grid((_prompt, _completion, index) => index + 1),
        exact,
      ),
    );
    expect(workPerToken.cv.value).toBeCloseTo(Math.sqrt((20 ** 2 - 1) / 12) / 10.5, 10);
    expect(workPerToken.p95OverP5.value).toBeCloseTo((1 + 0.95 * 19) / (1 + 0.05 * 19), 8);
    expect(workPerToken.maxOverMedian.value).toBeCloseTo(20 / 10.5, 8);
  });
});

describe('several models', () => {
  it('are each billed at a price of their own', () => {
    const cells = ['small', 'large'].flatMap((model) =>
      grid(() => (model === 'large' ? 50 : 1)).map((cell) => ({ ...cell, model })),
    );
    const findings = findingsOf(simulateResult(cells, exact));
    expect(findings.uniformity.cpuTime!.misbilledShare).toMatchObject({ verdict: 'not distinguishable' });
    expect(findings.uniformity.cpuTime!.tariffs.oneRate!.prices).toEqual([
      expect.objectContaining({ model: 'small', inputPerToken: expect.closeTo(1e6, 0) }),
      expect.objectContaining({ model: 'large', inputPerToken: expect.closeTo(50e6, 0) }),
    ]);
  });
});

describe('the plain token', () => {
  const cells = factorial([128, 1024], [128], (prompt) => (prompt === 128 ? 2 : 3));

  it('weighs every cell by the reference request', () => {
    const { plainToken, effectiveTokens } = findingsOf(simulateResult(cells, exact));
    expect(plainToken.cpuTime).toMatchObject({
      value: expect.closeTo(2e6, 3),
      unit: 'ns/token',
      cell: 'cell-0',
    });
    const [reference, long] = effectiveTokens!.cpuTime!;
    expect(reference).toMatchObject({ billed: 256, effective: expect.closeTo(256, 8) });
    expect(long!.effective).toBeCloseTo((1152 * 3) / 2, 8);
  });

  it('is null with a reason where the run has no reference cell, and stages are then not weighed', () => {
    const result = simulateResult(
      factorial([64], [32, 64], () => 1),
      exact,
    );
    const [request] = result.requests;
    const times = { started: 0, ended: 1 };
    Object.assign(request!, {
      stages: [{ name: 'safety', visible: false, tokens: 10, billed: 0, times, work: { cpuTime: 5 } }],
    });
    const { plainToken, stages } = findingsOf(result);
    expect(plainToken.cpuTime).toMatchObject({ value: null, reason: expect.stringContaining('128 + 128') });
    expect(stages).toEqual([
      expect.objectContaining({
        name: 'safety',
        fixedEffectiveTokens: null,
        reason: expect.stringContaining('plain token'),
      }),
    ]);
  });
});

describe('inputs that say little', () => {
  it.each<[string, Result]>([
    ['no request', testResult()],
    ['failures only', testResult({ requests: [failedRequest()] })],
    ['one request', testResult({ requests: [okRequest()] })],
    [
      'one cell',
      simulateResult(
        factorial([64], [64], () => 1),
        { seed: 1, repetitions: 4, noise: 0.1 },
      ),
    ],
    [
      'equal values',
      simulateResult(
        factorial([64, 64], [64, 64], () => 1),
        exact,
      ),
    ],
    [
      'two cells, one request each',
      simulateResult(
        factorial([16, 64], [8], () => 1),
        { ...exact, repetitions: 1 },
      ),
    ],
    ['work of 0', withWork(() => 0)],
    ['work of 0 in one cell', withWork((index) => (index % 3 === 0 ? 0 : 5))],
    [
      'failed rows among others',
      simulateResult(
        grid(() => 1),
        { seed: 2, repetitions: 2, noise: 0.1, failures: 0.7 },
      ),
    ],
    ['requests without a token', withoutTokens()],
    ['a real run', realisticResult()],
  ])('%s: only finite numbers, and a reason beside every null', (_name, result) => {
    const findings = findingsOf(result, { resamples: 200 });
    for (const [path, value] of numbersIn(findings)) expect(value, path).toSatisfy(Number.isFinite);
    for (const uniformity of Object.values(findings.uniformity)) {
      const { misbilledShare, gini, theil, rSquared, elasticity, workPerToken } = uniformity;
      for (const statistic of [
        misbilledShare,
        gini,
        theil,
        elasticity,
        ...Object.values(rSquared),
        ...Object.values(workPerToken),
      ]) {
        const complete = [statistic.value, statistic.low, statistic.high, statistic.verdict].every(
          (part) => part !== null,
        );
        expect(complete || statistic.reason, JSON.stringify(statistic)).toBeTruthy();
      }
      expect(uniformity.drivers ?? uniformity.driversReason).toBeTruthy();
    }
  });

  it('give the reason of a metric that was not measured', () => {
    const { notMeasured, uniformity } = findingsOf(realisticResult());
    expect(notMeasured.energy).toBe('permission');
    expect(uniformity.energy).toBeUndefined();
  });

  it('know one cell to be incomparable, and one round to show no noise', () => {
    const one = simulateResult(
      factorial([64], [64], () => 1),
      { seed: 1, repetitions: 4, noise: 0.1 },
    );
    expect(cpuTime(one).misbilledShare).toMatchObject({
      value: null,
      reason: expect.stringContaining('one cell'),
    });
    const single = simulateResult(
      grid((prompt) => 1 + prompt / 1000),
      { seed: 1, repetitions: 1, noise: 0.1 },
    );
    expect(findingsOf(single).workload.design).toBe('sampled');
    expect(cpuTime(single).misbilledShare).toMatchObject({ noiseFloor: null, verdict: null });
    expect(cpuTime(single).misbilledShare.low).not.toBeNull();
    expect(cpuTime(single, { design: 'fixed' }).misbilledShare).toMatchObject({
      low: null,
      reason: expect.any(String),
    });
  });

  it('refuse a request of a cell that the result does not list', () => {
    const result = testResult({ requests: [okRequest({ cell: 'elsewhere' })] });
    expect(() => findingsOf(result)).toThrow(/"elsewhere"/);
  });
});

it('gives the same findings for the same result', () => {
  const result = simulateResult(
    grid(() => 1),
    { seed: 5, repetitions: 3, noise: 0.05 },
  );
  expect(findingsOf(result)).toEqual(findingsOf(result));
});

function withWork(value: (index: number) => number): Result {
  const result = simulateResult(
    grid(() => 1),
    exact,
  );
  for (const [index, request] of result.requests.entries())
    Object.assign(request.work!, { cpuTime: value(index % 20) });
  return result;
}

function withoutTokens(): Result {
  const result = simulateResult(
    grid(() => 1),
    exact,
  );
  for (const request of result.requests) {
    if (request.cell === 'cell-3') Object.assign(request.tokens!, { prompt: 0, completion: 0 });
  }
  return result;
}
