import { expect, test } from 'vitest';
import { kinds, tryMutations } from './hostile-files.test-support.js';

test.each(kinds)(
  '%s, mutated 10,000 times, is read or refused with an error of our own',
  (_name, trial) => {
    expect(() => tryMutations(trial, 10_000)).not.toThrow();
  },
  1_200_000,
);
