import { describe, expect, it } from 'vitest';
import { openRunQueueWait, waitOf } from './run-queue.js';

describe('the wait for a core', () => {
  it('is the second figure of schedstat', () => {
    expect(waitOf('7286510 1234567 12\n')).toBe(1_234_567);
  });

  it.each(['', '1 2', 'a b c', '1 -2 3'])('is refused of %j', (text) => {
    expect(() => waitOf(text)).toThrow('schedstat holds');
  });

  it.skipIf(process.platform !== 'linux')('never falls, and is null for a thread that is not there', () => {
    const read = openRunQueueWait([process.pid])!;
    const before = read();
    for (let spin = 0; spin < 1e6; spin++) Math.sqrt(spin);
    expect(read()).toBeGreaterThanOrEqual(before);
    expect(openRunQueueWait([2 ** 22 + 1])).toBeNull();
  });
});
