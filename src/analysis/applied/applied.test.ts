import { describe, expect, it } from 'vitest';
import { applied, bentLaw, decoderLaw, drawnLog, gridResult, trueShare } from './applied.test-support.js';

const log = drawnLog(2000, 1);

describe('measured work applied to a log', () => {
  it('finds the law and the true misbilled share where nothing is noisy', () => {
    const { work, coverage, reason } = applied(gridResult(decoderLaw, { seed: 1, noise: 0 }), log);
    expect(reason).toBeNull();
    const { misbilledShare, law, total, heldOut, provenance, unit } = work.cpuTime!;
    expect(provenance).toBe('estimated');
    expect(unit).toBe('ns');
    // Bins of 2% and whole nanoseconds.
    expect(misbilledShare.value).toBeCloseTo(trueShare(decoderLaw, log), 3);
    expect(total.value / 1e6 / log.map(decoderLaw).reduce((a, b) => a + b)).toBeCloseTo(1, 3);
    expect(law.input / 1e6).toBeCloseTo(0.2, 2);
    expect(law.output / 1e6).toBeCloseTo(2, 2);
    expect(heldOut.medianError).toBeLessThan(0.001);
    expect(heldOut.cells).toHaveLength(12);
    expect(coverage.covered).toEqual({ requests: coverage.log.requests, tokens: coverage.log.tokens });
  });

  it('holds the truth within its interval where work is noisy', () => {
    const { misbilledShare, total } = applied(gridResult(decoderLaw, { seed: 2, noise: 0.05 }), log).work
      .cpuTime!;
    const truth = trueShare(decoderLaw, log);
    expect(misbilledShare.low).toBeLessThan(truth);
    expect(misbilledShare.high).toBeGreaterThan(truth);
    expect(misbilledShare.high - misbilledShare.low).toBeLessThan(0.1);
    expect(total.low).toBeLessThan(total.high);
  });

  it('says how far a law is off that does not hold, and widens the interval by it', () => {
    const width = ({ low, high }: { low: number; high: number }) => high - low;
    const [straight, bent] = [decoderLaw, bentLaw].map(
      (law) => applied(gridResult(law, { seed: 1, noise: 1e-4 }), log).work.cpuTime!,
    ) as [never, never] as {
      heldOut: { medianError: number };
      misbilledShare: { low: number; high: number };
    }[];
    expect(bent!.heldOut.medianError).toBeGreaterThan(10 * straight!.heldOut.medianError);
    expect(width(bent!.misbilledShare)).toBeGreaterThan(10 * width(straight!.misbilledShare));
  });

  it('names the kinds that pay too much and too little, which add up to the bill', () => {
    const { kinds, misbilledShare } = applied(gridResult(decoderLaw, { seed: 1, noise: 0 }), log).work
      .cpuTime!;
    expect(kinds.reduce((sum, { billShare }) => sum + billShare, 0)).toBeCloseTo(1, 9);
    expect(kinds.reduce((sum, { requests }) => sum + requests, 0)).toBe(log.length);
    const shifts = kinds.map(({ billShare, pays }) => billShare - billShare / pays.value);
    expect(shifts.reduce((sum, shift) => sum + shift, 0)).toBeCloseTo(0, 9);
    expect(Math.abs(shifts[0]!)).toBe(Math.max(...shifts.map(Math.abs)));
    // Within kinds more evens out.
    expect(shifts.reduce((sum, shift) => sum + Math.abs(shift), 0) / 2).toBeLessThan(misbilledShare.value);
    const long = kinds.find(({ prompt, completion }) => prompt[0] === 256 && completion[0] === 4)!;
    expect(long.pays.value).toBeGreaterThan(1);
  });
});

describe('requests that were not measured', () => {
  const result = gridResult(decoderLaw, { seed: 1, noise: 0 });

  it('are counted apart by what sets them apart, and not extrapolated to', () => {
    const { coverage, work } = applied(result, [
      { prompt: 100, cached: 0, completion: 20 },
      { prompt: 100, cached: 64, completion: 20 },
      { prompt: 2000, cached: 0, completion: 20 },
      { prompt: 100, cached: 0, completion: 129 },
      { prompt: 100, cached: 0, completion: 0 },
    ]);
    expect(coverage.log).toEqual({ requests: 5, tokens: 120 + 120 + 2020 + 229 + 100, cached: 64 });
    expect(coverage.covered).toEqual({ requests: 1, tokens: 120 });
    expect(coverage.outside).toEqual({
      cached: { requests: 1, tokens: 120 },
      empty: { requests: 1, tokens: 100 },
      prompt: { requests: 1, tokens: 2020 },
      completion: { requests: 1, tokens: 229 },
      between: { requests: 0, tokens: 0 },
    });
    expect(work.cpuTime!.total.value).toBeCloseTo(
      decoderLaw({ prompt: 100, cached: 0, completion: 20 }) * 1e6,
      -3,
    );
  });

  it('are those between measured lengths, too, that were not measured together', () => {
    // Long prompts had short answers only.
    const corner = result.cells.filter(
      ({ factors }) => Number(factors.promptTokens) * Number(factors.completionTokens) <= 16384,
    );
    const ids = new Set(corner.map(({ id }) => id));
    const part = { ...result, cells: corner, requests: result.requests.filter(({ cell }) => ids.has(cell)) };
    const { coverage } = applied(part, [{ prompt: 1000, cached: 0, completion: 100 }]);
    expect(coverage.outside.between.requests).toBe(1);
  });

  it('leave nothing to say where there are no others, or too few cells', () => {
    const far = applied(result, [{ prompt: 9000, cached: 0, completion: 20 }]);
    expect(far).toMatchObject({
      work: {},
      reason: expect.stringMatching(/no request of the log lies within/),
    });
    const few = applied(gridResult(decoderLaw, { seed: 1, noise: 0, prompts: [16, 64] }), log);
    expect(few).toMatchObject({ work: {}, reason: expect.stringMatching(/6 cells .* fewer than the 8/) });
  });
});

describe('a law', () => {
  it('is of plain chat where enough of it was measured, and else of the largest kind', () => {
    const through = (name: string) => (result: ReturnType<typeof gridResult>) => ({
      ...result,
      cells: result.cells.map((cell) => ({ ...cell, factors: { ...cell.factors, pipeline: name } })),
    });
    const result = gridResult(decoderLaw, { seed: 1, noise: 0 });
    expect(applied(result, log).pipeline).toBe('plain-chat');
    expect(applied(through('guarded-chat')(result), log)).toMatchObject({
      pipeline: 'guarded-chat',
      cells: 12,
      reason: null,
    });
  });
});
