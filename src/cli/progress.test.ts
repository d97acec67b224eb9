import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { progressLine } from './progress.js';

/** What is written where stderr is no terminal, a step told each second for a minute. */
function told(quiet: boolean): string[] {
  const stream = new PassThrough();
  let second = 0;
  const line = progressLine(stream as unknown as NodeJS.WriteStream, quiet, () => BigInt(second) * 10n ** 9n);
  for (second = 1; second <= 60; second++) line.show(`step ${second}`);
  line.clear();
  return `${stream.read() ?? ''}`.split('\n').slice(0, -1);
}

describe('progress where stderr is no terminal', () => {
  it('is a line every ten seconds, that stays', () => {
    expect(told(false)).toEqual([10, 20, 30, 40, 50, 60].map((second) => `step ${second}`));
  });

  it('is nothing where it should be quiet', () => {
    expect(told(true)).toEqual([]);
  });
});
