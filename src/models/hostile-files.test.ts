import { expect, test } from 'vitest';
import { tryMutations } from '../mutations.test-support.js';
import { kinds } from './hostile-files.test-support.js';

test.each(kinds)('$name, mutated $quick times, is read or refused with an error of our own', async (of) => {
  await expect(tryMutations(of.trial, of.quick, 42)).resolves.toBeUndefined();
});
