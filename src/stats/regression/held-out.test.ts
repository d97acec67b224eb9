import { describe, expect, it } from 'vitest';
import { heldOutRSquared } from './held-out.js';
import { fitLinear } from './least-squares.js';

describe('held-out R²', () => {
  it('is 1 for an exact relation and what refitting without each point gives otherwise', () => {
    const x = [1, 2, 3, 4, 6];
    expect(
      heldOutRSquared(
        fitLinear(
          [x],
          x.map((value) => 3 * value),
        )!,
        x.map((value) => 3 * value),
      ),
    ).toBeCloseTo(1, 12);

    const y = [1, 3, 2, 5, 9];
    const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
    let [errors, squares] = [0, 0];
    for (const [out] of x.entries()) {
      const rest = x.map((_, i) => (i === out ? 0 : 1));
      errors += (y[out]! - fitLinear([x], y, rest)!.fitted[out]!) ** 2;
      squares += (y[out]! - mean) ** 2;
    }
    expect(heldOutRSquared(fitLinear([x], y)!, y)).toBeCloseTo(1 - errors / squares, 12);
  });

  it('is none where nothing varies or a point fixes a coefficient alone', () => {
    expect(heldOutRSquared(fitLinear([[1, 2, 3]], [5, 5, 5])!, [5, 5, 5])).toBeNull();
    expect(
      heldOutRSquared(
        fitLinear(
          [
            [1, 1, 1],
            [0, 0, 1],
          ],
          [1, 2, 9],
        )!,
        [1, 2, 9],
      ),
    ).toBeNull();
  });
});
