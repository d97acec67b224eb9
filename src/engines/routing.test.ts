import fc from 'fast-check';
import { expect, it } from 'vitest';
import { distinctExperts, expertsOf } from './routing.js';

it('sends each token to the experts with its largest logits, ties to the lower id', () => {
  const shape = fc.record({
    experts: fc.integer({ min: 1, max: 9 }),
    tokens: fc.integer({ min: 1, max: 6 }),
  });
  const routed = shape.chain(({ experts, tokens }) =>
    fc.tuple(
      fc.constant(experts),
      fc.integer({ min: 1, max: experts }),
      fc.array(fc.integer({ min: -3, max: 3 }), { minLength: experts * tokens, maxLength: experts * tokens }),
    ),
  );
  fc.assert(
    fc.property(routed, ([experts, perToken, logits]) => {
      const touched = new Set<number>();
      for (let token = 0; token < logits.length / experts; token++) {
        const row = logits.slice(token * experts, (token + 1) * experts);
        const ranked = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
        for (const expert of ranked.slice(0, perToken)) touched.add(expert);
      }
      const expected = [...touched].sort((a, b) => a - b);
      expect(expertsOf(Float32Array.from(logits), experts, perToken)).toEqual(expected);
    }),
  );
});

it('is one number for a step: the mean over layers', () => {
  expect(
    distinctExperts([
      [0, 3],
      [1, 2, 5, 7],
    ]),
  ).toBe(3);
  expect(distinctExperts([])).toBeUndefined();
  expect(distinctExperts(null)).toBeUndefined();
});
