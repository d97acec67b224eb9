import { describe, expect, it } from 'vitest';
import { subnormalFlush } from './subnormals.js';

const flush = subnormalFlush();

describe.skipIf(flush === null)('flushing of subnormal numbers', () => {
  // An operand that the optimiser cannot fold.
  const half = Number(`0.${Date.now() > 0 ? 5 : 4}`);
  const smallest = 2 ** -1022;

  it('takes results below the normal range as zero between begin and end', () => {
    flush!.begin();
    const flushed = smallest * half;
    flush!.end();
    expect(flushed).toBe(0);
  });

  it('gives JavaScript its subnormals back', () => {
    flush!.begin();
    flush!.end();
    expect(smallest * half).toBe(2 ** -1023);
  });
});
