import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderBy } from './concentration.js';
import { quantile } from './quantile.js';
import { weightedQuantile } from './weighted-quantile.js';

describe('weighted quantile', () => {
  it('is the quantile of the list written out', () => {
    const entry = fc.record({ value: fc.integer({ min: 1, max: 100 }), count: fc.nat(4) });
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (entries, at) => {
          const [values, counts] = [entries.map((e) => e.value), entries.map((e) => e.count)];
          const list = entries.flatMap(({ value, count }) => new Array<number>(count).fill(value));
          const weighted = weightedQuantile(values, counts, orderBy(Float64Array.from(values)), at);
          if (list.length === 0) expect(weighted).toBeNaN();
          else expect(weighted).toBeCloseTo(quantile(list, at)!, 9);
        },
      ),
    );
  });
});
