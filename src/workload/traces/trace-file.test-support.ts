import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { readTrace, type Trace } from '../trace.js';

/** Reads a trace of these lines, which a file of this test holds meanwhile. */
export function traceFiles(): (
  content: string,
  options?: { limit?: number; digest?: string },
) => Promise<Trace> {
  const directory = mkdtempSync(join(tmpdir(), 'tokenwork-trace-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  let files = 0;
  return (content, options) => {
    const path = join(directory, `trace-${files++}`);
    writeFileSync(path, content);
    return readTrace(path, options);
  };
}

export const jsonLines = (records: readonly unknown[]) =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');
