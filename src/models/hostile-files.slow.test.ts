import { expect, test } from 'vitest';
import { tryMutations } from '../mutations.test-support.js';
import { kinds } from './hostile-files.test-support.js';

test.each(kinds)(
  '$name, mutated $long times, is read or refused with an error of our own',
  async (of) => {
    await expect(tryMutations(of.trial, of.long, 42)).resolves.toBeUndefined();
  },
  1_200_000,
);
