import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type StagePolicy, stagePolicySchema } from '../stages/pipeline.js';
import { countOutcomes, drawOutcomes } from './draws.js';

const stage = (policy: object): StagePolicy => stagePolicySchema.parse(policy);
const draw = (policy: object, draws: number, seed = 1, difficulty = 1) =>
  countOutcomes(drawOutcomes([stage(policy)], { draws, seed, difficulty }));
const tokensOf = (policy: object, draws: number) =>
  draw({ type: 'reasoning', maxTokens: 1_000_000, ...policy }, draws)
    .flatMap(({ drawn, count }) => Array.from({ length: count }, () => drawn.reasoning!.tokens!))
    .sort((a, b) => a - b);

describe('what chance decides', () => {
  it('flags the share it is told to, to within one request, by seed', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer(),
        (flagRate, draws, seed) => {
          const outcomes = draw({ type: 'safety', on: 'prompt', flagRate }, draws, seed);
          const flagged = outcomes
            .filter(({ drawn }) => drawn.safety!.flagged)
            .reduce((sum, { count }) => sum + count, 0);
          expect(Math.abs(flagged - flagRate * draws)).toBeLessThan(1 + 1e-9);
          expect(outcomes.reduce((sum, { count }) => sum + count, 0)).toBe(draws);
          expect(outcomes.length).toBeLessThanOrEqual(2);
        },
      ),
    );
  });

  it('flags each of many single requests at that rate', () => {
    const flags = Array.from({ length: 2000 }, (_, seed) =>
      draw({ type: 'safety', on: 'prompt', flagRate: 0.2 }, 1, seed).some(
        ({ drawn }) => drawn.safety!.flagged,
      ),
    );
    // Five standard errors of a share of 0.2 in 2000.
    expect(Math.abs(flags.filter(Boolean).length / 2000 - 0.2)).toBeLessThan(0.045);
  });

  it('draws log-normal lengths about their median', () => {
    const tokens = tokensOf({ length: 'log-normal', tokens: 1000, sigma: 0.5 }, 400);
    const at = (share: number) => tokens[Math.floor(share * tokens.length)]!;
    expect(at(0.5) / 1000).toBeCloseTo(1, 1);
    // Of a log-normal the 84.13th percentile is the median times e^σ.
    expect(at(0.8413) / 1000).toBeCloseTo(Math.exp(0.5), 1);
  });

  it('draws Pareto lengths from their minimum on', () => {
    const tokens = tokensOf({ length: 'pareto', tokens: 1000, alpha: 2 }, 400);
    expect(tokens[0]).toBeGreaterThanOrEqual(1000);
    // P(X > x) = (x_min / x)^α, so the median is x_min · 2^(1/α).
    expect(tokens[200]! / 1000).toBeCloseTo(Math.SQRT2, 1);
  });

  it('knows the length of what is fixed or goes by difficulty, and not of a share of a text', () => {
    const policy = { type: 'reasoning', tokens: 40 };
    expect(draw(policy, 5)).toEqual([{ drawn: { reasoning: { tokens: 40 } }, count: 5 }]);
    expect(draw({ ...policy, length: 'difficulty' }, 1, 1, 0.5)[0]!.drawn.reasoning).toEqual({ tokens: 20 });
    expect(draw({ ...policy, length: 'proportional' }, 3)).toEqual([{ drawn: {}, count: 3 }]);
    expect(draw({ ...policy, maxTokens: 10 }, 1)[0]!.drawn.reasoning).toEqual({ tokens: 10 });
  });

  it('gives every request with a set acceptance a stream of its own', () => {
    const outcomes = draw({ type: 'decode', speculation: 'lookup', acceptance: 0.8 }, 6);
    expect(new Set(outcomes.map(({ drawn }) => drawn.decode!.seed)).size).toBe(6);
    expect(draw({ type: 'decode', speculation: 'lookup' }, 6)).toHaveLength(1);
  });
});
