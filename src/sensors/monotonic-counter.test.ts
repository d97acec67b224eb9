import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MonotonicCounter } from './monotonic-counter.js';

const second = 1e9;

describe('MonotonicCounter', () => {
  it('counts across every wrap-around', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 262_143_328_850 }),
        fc.array(fc.integer({ min: 0, max: 400_000_000 }), { minLength: 1, maxLength: 200 }),
        (start, steps) => {
          const largest = 262_143_328_850;
          const counter = new MonotonicCounter({ largest, scale: 1, mostPerSecond: 1e9 });
          counter.next(start, 0);
          let truth = 0;
          for (const [index, step] of steps.entries()) {
            truth += step;
            const raw = (start + truth) % (largest + 1);
            expect(counter.next(raw, (index + 1) * second)).toBe(truth);
          }
        },
      ),
    );
  });

  it('wraps from its largest value to 0 in one count', () => {
    const counter = new MonotonicCounter({ largest: 999, scale: 1, mostPerSecond: 100 });
    counter.next(999, 0);
    expect(counter.next(0, second)).toBe(1);
  });

  it('tells a reset from a wrap-around by what the device could have used', () => {
    // 65,532.610987 J is what many Xeons wrap at; from the middle, a fall to 0 is no wrap.
    const counter = new MonotonicCounter({ largest: 65_532_610_987, scale: 1e-6, mostPerSecond: 5000 });
    counter.next(30_000_000_000, 0);
    expect(counter.next(1000, second)).toBeNaN();
    expect(counter.next(2_001_000, 2 * second)).toBeCloseTo(2, 9);
  });

  it('takes what cannot be for a gap and goes on from there', () => {
    const counter = new MonotonicCounter({ largest: null, scale: 1, mostPerSecond: 100 });
    counter.next(10, 0);
    expect(counter.next(60, second)).toBe(50);
    expect(counter.next(Number.NaN, 2 * second)).toBeNaN();
    expect(counter.next(70, 3 * second)).toBe(50);
    expect(counter.next(40, 4 * second)).toBeNaN();
    expect(counter.next(90, 5 * second)).toBe(100);
  });
});
