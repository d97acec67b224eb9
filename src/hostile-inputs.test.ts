import { expect, test } from 'vitest';
import { kinds, tryMutations } from './hostile-inputs.test-support.js';

test.each(kinds)(
  '%s, mutated %i times, is read or refused with an error of our own',
  async (_name, runs, trial) => {
    await expect(tryMutations(trial, runs, 1)).resolves.toBeUndefined();
  },
);
