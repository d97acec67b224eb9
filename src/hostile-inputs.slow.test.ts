import { expect, test } from 'vitest';
import { kinds, tryMutations } from './hostile-inputs.test-support.js';

test.each(kinds)(
  '%s, mutated for long, is read or refused with an error of our own',
  async (_name, quick, trial) => {
    await expect(tryMutations(trial, Math.min(10_000, 20 * quick), 2)).resolves.toBeUndefined();
  },
  1_200_000,
);
