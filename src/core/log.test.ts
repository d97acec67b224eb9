import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { log, otherwise } from './log.js';

const unprintable = {
  toString() {
    throw new Error('it was formatted');
  },
};

it('formats nothing while it is off', () => {
  expect(() => log('%s', unprintable)).not.toThrow();
});

it('goes on with what stands in for an expected failure', async () => {
  expect(await Promise.reject(new Error('not there')).catch(otherwise(7, 'looking'))).toBe(7);
});

it('is told of every error that the sources catch and do not tell', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const files = (readdirSync(root, { recursive: true }) as string[]).filter(
    // A page has no log; what the log itself cannot write it cannot log.
    (file) => /\.ts$/.test(file) && !/test|^report.html.(client.|document\.ts)|^core.log\.ts/.test(file),
  );
  expect(files.length).toBeGreaterThan(200);
  const silent = files.filter((file) =>
    /catch \{|\.catch\(\(\) =>/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(silent).toEqual([]);
});
