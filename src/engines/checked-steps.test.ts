import { describe, expect, it } from 'vitest';
import { compareSteps } from './checked-steps.js';

const step = (what: string, ...logits: number[]) => ({ what, logits: Float32Array.from(logits) });
const model = { dtype: 'fp32', graphVariant: 'contrib' };

describe('parity of a GPU with the CPU', () => {
  it('passes rounding', () => {
    const reference = [step('a', 1, -1, 2), step('b', 0.5, 0.5, 3)];
    const found = [step('a', 1.0001, -1, 2), step('b', 0.5, 0.5, 3)];
    expect(compareSteps(found, reference, model)).toMatchObject({
      passed: true,
      worst: 'a',
      graphVariant: 'contrib',
    });
  });

  it('is decided by the worst step, as root mean square of the difference over that of the CPU', () => {
    const reference = [step('a', 3, 4), step('b', 3, 4)];
    // √(0.3² + 0.4²) ÷ √(3² + 4²) = 0.1
    const parity = compareSteps([step('a', 3, 4), step('b', 3.3, 4.4)], reference, model);
    expect(parity).toMatchObject({ passed: false, worst: 'b' });
    expect(parity.difference).toBeCloseTo(0.1, 6);
    expect(
      compareSteps([step('a', 3, 4), step('b', 3.03, 4.04)], reference, { ...model, dtype: 'q4' }).passed,
    ).toBe(true);
  });

  it.each([[[Number.NaN, 1]], [[Number.POSITIVE_INFINITY, 1]], [[1]]])('fails %j', (logits) => {
    expect(compareSteps([step('a', ...logits)], [step('a', 1, 1)], model)).toMatchObject({
      passed: false,
      difference: null,
    });
  });

  it('says nothing where there is no reference', () => {
    expect(compareSteps([step('a', 1)], null, model)).toMatchObject({ passed: null, difference: null });
  });
});
