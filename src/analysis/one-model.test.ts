import { expect, it } from 'vitest';
import { resultsByModel } from './one-model.js';
import { simulateResult } from './simulated-result.test-support.js';

it('A model that only helped others is taken apart by nobody, and said to be none of those asked for', () => {
  const result = simulateResult([{ promptTokens: 8, completionTokens: 4, rate: 1 }], {
    seed: 1,
    repetitions: 2,
    noise: 0,
  });
  const helper = { ...result.models[0]!, id: 'helper' };
  const helped = { ...result, models: [...result.models, helper] };
  expect(resultsByModel(helped).map(({ models }) => models.map(({ id }) => id))).toEqual(
    result.models.map(({ id }) => [id]),
  );
  expect(() => resultsByModel(helped, 'helper')).toThrow('only helped other models');
});
