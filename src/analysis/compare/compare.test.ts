import { describe, expect, it } from 'vitest';
import type { Result } from '../../core/result.js';
import { tableOf } from '../requests/table-builder.js';
import { realisticResult, testModel } from '../result.test-support.js';
import { factorial, type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { compareCells } from './cells.js';
import { cells, changed, compare, cpuRows, run, slowed } from './compare.test-support.js';
import { crossings, parseThreshold, refuseUntestable } from './fail-on.js';
import { comparedMetrics } from './verdicts.js';

describe('comparing a version with itself', () => {
  it('calls a change in a cell, or in the mean, in none of 4 comparisons', () => {
    for (let seed = 1; seed < 8; seed += 2) {
      const comparison = compare(run(seed), run(seed + 1));
      expect(changed(comparison)).toEqual([]);
      expect(['slower', 'faster']).not.toContain(comparison.geomean.cpuTime!.verdict);
    }
  });

  it('shows that nothing changed where the noise is small enough, and claims nothing where not', () => {
    const quiet = cpuRows(compare(run(1, 10, cells, 0.002), run(2, 10, cells, 0.002)));
    expect(quiet.filter(({ verdict }) => verdict === 'same').length).toBeGreaterThan(18);
    const loud = cpuRows(compare(run(1, 10, cells, 0.1), run(2, 10, cells, 0.1)));
    expect(loud.filter(({ verdict }) => verdict === '~').length).toBeGreaterThan(18);
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
});

describe('few repetitions', () => {
  it('show the ratio and bear no verdict below five, and say what would', () => {
    const { warnings, ...comparison } = compare(run(1, 4), run(2, 4, slowed(2)));
    for (const row of cpuRows({ ...comparison, warnings })) {
      expect(row).toMatchObject({ verdict: null, pValue: null, ratio: expect.closeTo(2, 0) });
    }
    expect(warnings).toContainEqual(
      expect.objectContaining({ code: 'few-repetitions', hint: expect.stringContaining('6') }),
    );
  });

  it('of five over 20 cells cannot single out one, which is said', () => {
    // 2/C(10,5) = 0.0079 is above 0.05/20; 2/C(12,6) = 0.0022 is below.
    const fewWarnings = (repetitions: number) =>
      compare(run(1, repetitions), run(2, repetitions)).warnings.filter(
        ({ code }) => code === 'few-repetitions',
      );
    expect(fewWarnings(5)).toEqual([
      expect.objectContaining({ hint: expect.stringContaining('--repetitions 6') }),
    ]);
    expect(fewWarnings(6)).toEqual([]);
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
    const few = warnings.filter(({ code }) => code === 'few-repetitions');
    expect(few.map(({ message }) => message)).toEqual([expect.stringMatching(/of peakMemory, too few/)]);
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
      verdict: 'more',
    });
    expect(geomean.flops).toMatchObject({ ratio: expect.closeTo(1.5, 12), verdict: 'more' });
    expect(compare(derived(100), derived(100)).geomean.flops!.verdict).toBe('same');
  });
});

describe('workloads', () => {
  it('that differ are refused by naming the cells, and compared over the common ones when forced', () => {
    const [baseline, candidate] = [run(1), run(2, 10, cells.slice(0, 18))];
    expect(() => compare(baseline, candidate)).toThrow(/only the baseline ran cell-18, cell-19/);
    const forced = compare(baseline, candidate, { force: true });
    expect(cpuRows(forced)).toHaveLength(18);
    expect(forced.warnings.map(({ code }) => code)).toContain('cells-left-out');
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

describe('a change is claimed with an interval that does not contain 1', () => {
  /** One cell whose ranks tell the sides apart at p < 0.05 while resampled medians may coincide. */
  const tied = (values: readonly number[]): Result => {
    const [cell] = cells;
    const result = simulateResult([cell!], { seed: 1, repetitions: values.length, noise: 0 });
    for (const [index, request] of result.requests.entries())
      Object.assign(request.work!, { cpuTime: values[index]! * 1e6 });
    return result;
  };
  const before = tied([100, 100, 100, 101, 101, 103, 103, 103, 103, 103]);
  const after = tied([102, 103, 103, 103, 104, 104, 105, 105, 107, 108]);

  it('in a cell, whatever ranks say', () => {
    const [metric] = comparedMetrics([before, after]).filter(({ name }) => name === 'cpuTime');
    const sides = { baseline: tableOf(before), candidate: tableOf(after), reach: 0, narrowReach: 0 };
    const [row] = compareCells(sides, metric!, 1);
    expect(row!.qValue).toBeLessThan(0.05);
    expect(row!.ratio).toBeGreaterThan(1.01);
    expect(row!.low).toBeLessThanOrEqual(1);
    expect(row!.verdict).toBe('~');
  });

  it('in all cells together, however few they are', () => {
    for (let seed = 1; seed < 40; seed += 2) {
      const few = cells.slice(0, 2);
      const dearer = few.map((cell) => ({ ...cell, rate: 1.05 }));
      const { geomean } = compare(run(seed, 6, few, 0.05), run(seed + 1, 6, dearer, 0.05));
      const { low, high, verdict } = geomean.cpuTime!;
      expect(verdict).toBe(low! > 1 ? 'slower' : high! < 1 ? 'faster' : '~');
    }
  });
});
