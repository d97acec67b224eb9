import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorCodes, exitCode, failureCodes, warningCodes } from './codes.js';
import { TokenworkError } from './errors.js';

const source = fileURLToPath(new URL('..', import.meta.url));
const sources = (readdirSync(source, { recursive: true }) as string[])
  .filter((file) => /\.ts$/.test(file) && !/\.test(-support)?\.ts$|testing\/|core\/codes\.ts$/.test(file))
  .map((file) => readFileSync(join(source, file), 'utf8'))
  .join('\n');

/** Every quoted text of the sources. */
const quoted = new Set([...sources.matchAll(/'([a-z]+(?:-[a-z]+)*)'/g)].map(([, text]) => text!));
// The kind of a shipped file completes its code.
for (const code of ['unknown-', 'unreadable-'])
  if (sources.includes(`\`${code}\${kind}\``))
    for (const kind of ['pipeline', 'suite']) quoted.add(code + kind);

describe('codes', () => {
  it.each([
    ['errors', errorCodes],
    ['failed requests', failureCodes],
    ['warnings', warningCodes],
  ])('of %s are kebab-case, mean something in one line, and are each used', (_, codes) => {
    for (const [code, meaning] of Object.entries(codes)) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(meaning).toMatch(/^[A-Z].{10,110}\.$/);
    }
    expect(Object.keys(codes).filter((code) => !quoted.has(code))).toEqual([]);
  });

  it('decide what the command line exits with', () => {
    expect(new TokenworkError('bad-option', '', '').exitCode).toBe(exitCode.unusableInput);
    expect(new TokenworkError('disk-full', '', '').exitCode).toBe(exitCode.incomplete);
  });

  it('are documented as they are', () => {
    const script = join(source, '../scripts/document-codes.js');
    expect(spawnSync(process.execPath, [script, '--check']).status).toBe(0);
  });
});
