import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderBy } from './concentration.js';
import { quantile } from './quantile.js';
import { effectiveSize, weightedQuantile } from './weighted-quantile.js';

const entries = (least: number) =>
  fc.array(
    fc.record({ value: fc.integer({ min: 1, max: 100 }), weight: fc.integer({ min: least, max: 4 }) }),
    {
      minLength: 1,
    },
  );
const probability = fc.double({ min: 0, max: 1, noNaN: true });

function of(list: readonly { value: number; weight: number }[], at: number, size?: number): number {
  const values = list.map(({ value }) => value);
  const order = orderBy(Float64Array.from(values));
  return weightedQuantile(
    values,
    list.map(({ weight }) => weight),
    order,
    at,
    size,
  );
}

describe('weighted quantile', () => {
  it('is the quantile where all weigh alike, whatever they weigh', () => {
    fc.assert(
      fc.property(entries(1), fc.integer({ min: 1, max: 9 }), probability, (list, weight, at) => {
        const equal = list.map(({ value }) => ({ value, weight }));
        expect(of(equal, at)).toBeCloseTo(
          quantile(
            list.map(({ value }) => value),
            at,
          )!,
          6,
        );
      }),
    );
  });

  it('is the quantile of the list written out, of as many values as stand there', () => {
    fc.assert(
      fc.property(entries(0), probability, (list, at) => {
        const written = list.flatMap(({ value, weight }) => new Array<number>(weight).fill(value));
        if (written.length === 0) expect(of(list, at)).toBeNaN();
        else expect(of(list, at, written.length)).toBeCloseTo(quantile(written, at)!, 6);
      }),
    );
  });

  it('does not change where all weights do', () => {
    fc.assert(
      fc.property(entries(1), probability, (list, at) => {
        const twice = list.map(({ value, weight }) => ({ value, weight: 2 * weight }));
        expect(of(twice, at)).toBeCloseTo(of(list, at), 9);
      }),
    );
  });

  it('counts five weights of which one is all as one value', () => {
    expect(effectiveSize([0, 3, 0, 0, 0])).toBe(1);
    expect(effectiveSize([2, 2, 2, 2])).toBe(4);
  });
});
