import { expect, test } from 'vitest';
import { kinds } from './hostile-inputs.test-support.js';
import { tryMutations } from './mutations.test-support.js';

test.each(kinds)(
  '$name, mutated $long times, is read or refused with an error of our own',
  async (of) => {
    await expect(tryMutations(of.trial, of.long, 2)).resolves.toBeUndefined();
  },
  1_200_000,
);
