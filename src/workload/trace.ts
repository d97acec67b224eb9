import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Warning } from '../core/codes.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import { plainText } from '../core/text.js';
import { TraceCollector } from './traces/collect.js';
import type { TraceRequest } from './traces/format.js';
import { csvRows, formatHint, jsonRows } from './traces/rows.js';

export interface Trace {
  /** The file's base name without its ending. */
  name: string;
  /** By arrival, those that arrived together as they stand in the file. */
  requests: TraceRequest[];
  /** SHA-256 of what was read of the requests, in hexadecimal: the same for the same requests, whatever their file. */
  digest: string;
  warnings: Warning[];
}

interface ReadOptions {
  /** Requests to read, and no more of the file than that takes; all where absent. */
  limit?: number | undefined;
  /** Of the requests that a run began with. */
  digest?: string | undefined;
}

/**
 * The requests of a recorded trace, in any format of traces/, which its header or its first line tells.
 *
 * Throws TokenworkError `unreadable-trace`, `empty-trace`, `bad-trace` naming the line, or `trace-changed` where the
 * requests are not those of `digest`.
 */
export async function readTrace(path: string, { limit, digest }: ReadOptions = {}): Promise<Trace> {
  const collector = new TraceCollector(path);
  try {
    const rowsOf = (await isJson(path)) ? jsonRows : csvRows;
    const source = createReadStream(path);
    try {
      for await (const row of rowsOf(source, path)) {
        collector.add(row);
        if (collector.count === limit) break;
      }
    } finally {
      source.destroy();
    }
  } catch (cause) {
    if (cause instanceof TokenworkError) throw cause;
    throw new TokenworkError(
      'unreadable-trace',
      `The trace ${path} cannot be read: ${messageOf(cause)}.`,
      'Check the path and its permissions.',
      { cause },
    );
  }
  if (collector.count === 0) {
    throw new TokenworkError('empty-trace', `The trace ${path} holds no request.`, formatHint);
  }
  const trace = { name: plainText(basename(path).replace(/\.[^.]*$/, '')), ...collector.end() };
  if (digest !== undefined && trace.digest !== digest) throw changed(path);
  return trace;
}

async function isJson(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
    return /^\uFEFF?\s*[{[]/.test(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await file.close();
  }
}

function changed(path: string): TokenworkError {
  return new TokenworkError(
    'trace-changed',
    `The trace ${path} no longer holds the requests that the run began with.`,
    'Put the file back as it was, or begin the run anew.',
  );
}
