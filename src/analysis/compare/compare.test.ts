import { describe, expect, it } from 'vitest';
import type { Result } from '../../core/result.js';
import { realisticResult, testModel } from '../result.test-support.js';
import { factorial, type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { type CompareOptions, type Comparison, compareResults } from './compare.js';
import { crossings, parseThreshold, refuseUntestable } from './fail-on.js';

const cells = factorial([16, 64, 256, 512, 1024], [16, 64, 128, 256], () => 1);
const run = (seed: number, repetitions = 10, planted: readonly SimulatedCell[] = cells, noise = 0.02) =>
  simulateResult(planted, { seed, repetitions, noise });
const slowed = (factor: number, which: (index: number) => boolean = () => true) =>
  cells.map((cell, index) => ({ ...cell, rate: which(index) ? factor : 1 }));
const compare = (baseline: Result, candidate: Result, options?: CompareOptions): Comparison =>
  compareResults(baseline, [candidate], options)[0]!;
const cpuRows = ({ cells: rows }: Comparison) => rows.filter(({ metric }) => metric === 'cpuTime');
const changed = (comparison: Comparison) =>
  cpuRows(comparison).filter(({ verdict }) => verdict === 'slower' || verdict === 'faster');

describe('comparing a version with itself', () => {
  it('calls a change in any of 20 cells in at most 5% of comparisons, and in the mean no oftener', () => {
    const comparisons = Array.from({ length: 100 }, (_, seed) =>
      compare(run(2 * seed + 1), run(2 * seed + 2)),
    );
    expect(comparisons.filter((comparison) => changed(comparison).length > 0).length).toBeLessThanOrEqual(5);
    const means = comparisons.map(({ geomean }) => geomean.cpuTime!.verdict);
    expect(
      means.filter((verdict) => verdict === 'slower' || verdict === 'faster').length,
    ).toBeLessThanOrEqual(5);
  });

  it('shows that nothing changed where the noise is small enough, and claims nothing where not', () => {
    const quiet = cpuRows(compare(run(1, 10, cells, 0.002), run(2, 10, cells, 0.002)));
    expect(quiet.filter(({ verdict }) => verdict === 'same').length).toBeGreaterThan(18);
    const loud = cpuRows(compare(run(1, 10, cells, 0.1), run(2, 10, cells, 0.1)));
    expect(loud.filter(({ verdict }) => verdict === '~').length).toBeGreaterThan(18);
  });
});

describe('the mean over cells, under noise that no margin hides', () => {
  it.each([
    [6, { repetitions: 10, noise: 0.2 }],
    [20, { repetitions: 10, noise: 0.05, drift: 0.1 }],
  ])('of %d cells covers the truth, and calls a change where there is none in at most 5%', (count, how) => {
    const some = cells.slice(0, count);
    const means = Array.from({ length: 150 }, (_, seed) => {
      const [before, after] = [1, 2].map((side) => simulateResult(some, { seed: 2 * seed + side, ...how }));
      return compare(before!, after!).geomean.cpuTime!;
    });
    const called = means.filter(({ verdict }) => verdict === 'slower' || verdict === 'faster');
    expect(called.length / means.length).toBeLessThanOrEqual(0.05);
    const covering = means.filter(({ low, high }) => low! <= 1 && 1 <= high!);
    expect(covering.length / means.length).toBeGreaterThanOrEqual(0.93);
  });
});

describe('a planted slowdown of 5% under 2% noise, ten repetitions', () => {
  const comparisons = Array.from({ length: 20 }, (_, seed) =>
    compare(run(2 * seed + 1), run(2 * seed + 2, 10, slowed(1.05))),
  );
  const rows = comparisons.flatMap(cpuRows);

  it('is found in at least 90% of cells', () => {
    expect(rows.filter(({ verdict }) => verdict === 'slower').length / rows.length).toBeGreaterThanOrEqual(
      0.9,
    );
    for (const { geomean } of comparisons)
      expect(geomean.cpuTime).toMatchObject({ verdict: 'slower', cells: 20 });
  });

  it('lies within the intervals of the ratio about as often as they say', () => {
    const covering = rows.filter(({ low, high }) => low! <= 1.05 && 1.05 <= high!).length / rows.length;
    expect(covering).toBeGreaterThanOrEqual(0.93);
    const means = comparisons.filter(
      ({ geomean: { cpuTime } }) => cpuTime!.low! <= 1.05 && 1.05 <= cpuTime!.high!,
    );
    expect(means.length).toBeGreaterThanOrEqual(17);
  });

  it('is found in 90% where but one cell of 20 is slower', () => {
    const single = Array.from({ length: 40 }, (_, seed) =>
      compare(
        run(2 * seed + 1),
        run(
          2 * seed + 2,
          10,
          slowed(1.05, (index) => index === 7),
        ),
      ),
    );
    const found = single.filter((comparison) => cpuRows(comparison)[7]!.verdict === 'slower');
    expect(found.length).toBeGreaterThanOrEqual(36);
  });
});

describe('few repetitions', () => {
  it('show the ratio and bear no verdict below five, and say what would', () => {
    const { warnings, ...comparison } = compare(run(1, 4), run(2, 4, slowed(2)));
    for (const row of cpuRows({ ...comparison, warnings })) {
      expect(row).toMatchObject({ verdict: null, pValue: null, ratio: expect.closeTo(2, 0) });
    }
    expect(warnings).toEqual([
      expect.objectContaining({ code: 'few-repetitions', hint: expect.stringContaining('6') }),
    ]);
  });

  it('of five over 20 cells cannot single out one, which is said', () => {
    // 2/C(10,5) = 0.0079 is above 0.05/20; 2/C(12,6) = 0.0022 is below.
    expect(compare(run(1, 5), run(2, 5)).warnings[0]).toMatchObject({
      hint: expect.stringContaining('--repetitions 6'),
    });
    expect(compare(run(1, 6), run(2, 6)).warnings).toEqual([]);
  });

  it('are told of the metrics that have them, not of those measured each time or computed', () => {
    const seldom = (seed: number) => {
      const result = run(seed);
      const flops = { ...result.metrics.cpuTime!, unit: 'FLOP', provenance: 'derived' as const };
      for (const [index, request] of result.requests.entries()) {
        Object.assign(request.work!, { peakMemory: index < 20 ? 5 : null, flops: 1 });
      }
      return { ...result, metrics: { ...result.metrics, flops } };
    };
    const { warnings } = compare(seldom(1), seldom(2));
    expect(warnings.map(({ message }) => message)).toEqual([expect.stringMatching(/of peakMemory, too few/)]);
  });

  it('suffice for what is computed and not measured', () => {
    const derived = (flops: number): Result => {
      const result = realisticResult();
      for (const request of result.requests) Object.assign(request.work!, { flops });
      const about = { ...result.metrics.cpuTime!, unit: 'FLOP', provenance: 'derived' as const };
      return { ...result, metrics: { ...result.metrics, flops: about } };
    };
    const { cells: rows, geomean } = compare(derived(100), derived(150));
    expect(rows.find(({ metric }) => metric === 'flops')).toMatchObject({
      ratio: 1.5,
      low: 1.5,
      high: 1.5,
      verdict: 'slower',
    });
    expect(geomean.flops).toMatchObject({ ratio: expect.closeTo(1.5, 12), verdict: 'slower' });
    expect(compare(derived(100), derived(100)).geomean.flops!.verdict).toBe('same');
  });
});

describe('workloads', () => {
  it('that differ are refused by naming the cells, and compared over the common ones when forced', () => {
    const [baseline, candidate] = [run(1), run(2, 10, cells.slice(0, 18))];
    expect(() => compare(baseline, candidate)).toThrow(/only the baseline ran cell-18, cell-19/);
    const forced = compare(baseline, candidate, { force: true });
    expect(cpuRows(forced)).toHaveLength(18);
    expect(forced.warnings[0]).toMatchObject({ code: 'cells-left-out' });
  });

  it('whose cells share a name but not a meaning are refused', () => {
    const other = cells.map((cell, index) => ({
      ...cell,
      promptTokens: cell.promptTokens + (index === 3 ? 1 : 0),
    }));
    expect(() => compare(run(1), run(2, 10, other))).toThrow(
      /cell-3 means something else in each \(promptTokens 16 against 17\)/,
    );
  });

  it('without a common cell are refused even when forced', () => {
    const baseline = run(1);
    const candidate = { ...run(2), cells: [], requests: [] };
    expect(() => compare(baseline, candidate, { force: true })).toThrow(/no cell in common/);
  });

  it('are matched whatever their single model is called', () => {
    const baseline = realisticResult();
    const renamed = JSON.parse(JSON.stringify(baseline).replaceAll('smollm2-135m', 'other')) as Result;
    const comparison = compare(baseline, renamed);
    expect(comparison.cells.length).toBeGreaterThan(0);
    expect(comparison.configuration[0]).toEqual({
      what: 'models',
      baseline: 'smollm2-135m',
      candidate: 'other',
    });
  });
});

describe('configuration and machines', () => {
  it('differences are listed, dtype before versions', () => {
    const [baseline, candidate] = [run(1), run(2)];
    const changedRun: Result = {
      ...candidate,
      models: [testModel('m', 'q4')],
      environment: { ...candidate.environment, packages: { 'onnxruntime-node': '1.31.0' } },
    };
    expect(compare(baseline, changedRun).configuration).toEqual([
      { what: 'dtype', baseline: 'fp32', candidate: 'q4' },
      { what: 'onnxruntime-node', baseline: '–', candidate: '1.31.0' },
    ]);
    expect(compare(baseline, candidate).configuration).toEqual([]);
  });

  it('have the ratio of their ceilings beside what was measured', () => {
    const candidate = run(2);
    const { ceilings } = candidate.hardware;
    const faster: Result = {
      ...candidate,
      hardware: {
        ...candidate.hardware,
        ceilings: { ...ceilings!, memoryBandwidth: { ...ceilings!.memoryBandwidth!, value: 2e10 }, gemm: {} },
      },
    };
    expect(compare(run(1), faster).ceilings).toEqual({ memoryBandwidth: 2, gemm: {} });
    expect(compare(run(1), run(2)).ceilings.gemm).toEqual({ fp32: 1 });
  });

  it('keep their shape where all cells scale alike, and lose it where they do not', () => {
    const priced = (input: number, output: number, scale = 1) =>
      factorial(
        [16, 64, 256],
        [16, 64, 128],
        (prompt, completion) => (scale * (input * prompt + output * completion)) / (prompt + completion),
      );
    const exactly = (planted: SimulatedCell[]) => run(1, 2, planted, 0);
    const scaled = compare(exactly(priced(1, 3)), exactly(priced(1, 3, 2))).shape.cpuTime!;
    expect(scaled.rankCorrelation).toBeCloseTo(1, 12);
    expect(scaled.misbilledByBaselineTariff.inputOutput).toBeCloseTo(0, 10);
    expect(scaled.misbilledByBaselineCost).toBeCloseTo(0, 12);
    const turned = compare(exactly(priced(1, 3)), exactly(priced(3, 1))).shape.cpuTime!;
    expect(turned.rankCorrelation).toBeCloseTo(-1, 12);
    expect(turned.misbilledByBaselineTariff.inputOutput!).toBeGreaterThan(0.1);
  });
});

describe('thresholds', () => {
  it('are read, and refused with the nearest name', () => {
    expect(parseThreshold('cpuTime>5%')).toEqual({ metric: 'cpuTime', above: 0.05 });
    expect(parseThreshold(' e2e > 2.5 % ')).toEqual({ metric: 'e2e', above: 0.025 });
    expect(() => parseThreshold('cputime>5%')).toThrow(/"cputime"/);
    for (const bad of ['cpuTime', 'cpuTime<5%', 'cpuTime>5', 'cpuTime>-5%', '']) {
      expect(() => parseThreshold(bad)).toThrow(/no threshold/);
    }
  });

  it('are crossed only by a regression that is significant and larger', () => {
    const comparison = compare(
      run(1),
      run(
        2,
        10,
        slowed(1.2, (index) => index === 7),
      ),
    );
    expect(crossings(comparison, [parseThreshold('cpuTime>10%')])).toEqual([
      expect.objectContaining({ cell: 'cell-7', ratio: expect.closeTo(1.2, 1) }),
    ]);
    expect(crossings(comparison, [parseThreshold('cpuTime>30%')])).toEqual([]);
    const few = compare(run(1, 4), run(2, 4, slowed(2)));
    expect(crossings(few, [parseThreshold('cpuTime>10%')])).toEqual([]);
  });

  it('that nothing could cross are refused', () => {
    const cpuTime = [parseThreshold('cpuTime>10%')];
    expect(() => refuseUntestable(compare(run(1), run(2)), cpuTime)).not.toThrow();
    expect(() => refuseUntestable(compare(run(1, 4), run(2, 4)), cpuTime)).toThrow(
      /fewer than 5 repetitions/,
    );
    expect(() => refuseUntestable(compare(run(1), run(2)), [parseThreshold('energy>10%')])).toThrow(
      /energy.*not both measured/,
    );
  });
});
