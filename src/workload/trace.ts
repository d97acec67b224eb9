import { createReadStream, type ReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { CsvError, parse } from 'csv-parse';
import { messageOf, TokenworkError } from '../core/errors.js';
import { plainText } from '../core/text.js';

/** A request as some server once received it. */
export interface TraceRequest {
  promptTokens: number;
  completionTokens: number;
}

export interface Trace {
  /** The file's base name without its ending. */
  name: string;
  requests: TraceRequest[];
}

/** A row's fields as they stand in the file, before they are checked. */
interface Row {
  line: number;
  prompt: unknown;
  completion: unknown;
}

/**
 * Reads the first `limit` requests of a trace, and no more of the file than that takes:
 *
 * - CSV with a header that holds ContextTokens and GeneratedTokens, in any case and order (the Azure LLM traces);
 * - JSONL with input_length and output_length (the Mooncake traces).
 *
 * Throws TokenworkError `unreadable-trace`, `empty-trace`, or `bad-trace` naming the line.
 */
export async function readTrace(path: string, { limit }: { limit?: number } = {}): Promise<Trace> {
  const requests: TraceRequest[] = [];
  try {
    const rowsOf = (await startsWithBrace(path)) ? jsonRows : csvRows;
    const source = createReadStream(path);
    for await (const { line, prompt, completion } of rowsOf(source, path)) {
      requests.push({
        promptTokens: tokenCount(prompt, 'prompt', path, line),
        completionTokens: tokenCount(completion, 'completion', path, line),
      });
      if (requests.length === limit) break;
    }
    source.destroy();
  } catch (cause) {
    if (cause instanceof TokenworkError) throw cause;
    throw new TokenworkError(
      'unreadable-trace',
      `The trace ${path} cannot be read: ${messageOf(cause)}.`,
      'Check the path and its permissions.',
      { cause },
    );
  }
  if (requests.length === 0) {
    throw new TokenworkError('empty-trace', `The trace ${path} holds no request.`, formatHint);
  }
  return { name: plainText(basename(path).replace(/\.[^.]*$/, '')), requests };
}

const formatHint =
  'A trace is CSV with the columns ContextTokens and GeneratedTokens, or JSONL with input_length and output_length.';

async function startsWithBrace(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
    return /^\uFEFF?\s*\{/.test(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await file.close();
  }
}

async function* csvRows(source: ReadStream, path: string): AsyncGenerator<Row> {
  let header: string[] = [];
  const parser = parse({
    columns: (names: string[]) => {
      header = names.map((name) => name.trim().toLowerCase());
      return header;
    },
    info: true,
    bom: true,
    trim: true,
    skip_empty_lines: true,
  });
  // pipe() does not hand errors on.
  source.on('error', (error) => parser.destroy(error));
  try {
    for await (const { info, record } of source.pipe(parser) as AsyncIterable<CsvRecord>) {
      for (const column of ['ContextTokens', 'GeneratedTokens']) {
        if (header.includes(column.toLowerCase())) continue;
        throw badTrace(path, 1, `the header names no ${column} column, but ${header.join(', ')}`);
      }
      yield {
        line: info.lines,
        prompt: wholeNumber(record.contexttokens),
        completion: wholeNumber(record.generatedtokens),
      };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw badTrace(path, Number(error.lines), error.message.replace(/,? (on|at) line \d+$/, ''), error);
  }
}

interface CsvRecord {
  info: { lines: number };
  record: Record<string, string | undefined>;
}

async function* jsonRows(source: ReadStream, path: string): AsyncGenerator<Row> {
  let line = 0;
  for await (const text of createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    const trimmed = text.replace(/^\uFEFF/, '').trim();
    if (trimmed === '') continue;
    let row: Record<string, unknown> | null;
    try {
      row = JSON.parse(trimmed);
    } catch (cause) {
      throw badTrace(path, line, `it is no JSON: ${messageOf(cause)}`, cause);
    }
    const { input_length: prompt, output_length: completion } = row ?? {};
    yield { line, prompt, completion };
  }
}

/** Digits as a number; anything else stays what it is, for the error to show. */
function wholeNumber(text: string | undefined): unknown {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

function tokenCount(value: unknown, what: string, path: string, line: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  const found = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`;
  throw badTrace(path, line, `the ${what} length ${found}, and not a whole number of at least 1`);
}

function badTrace(path: string, line: number, problem: string, cause?: unknown): TokenworkError {
  return new TokenworkError('bad-trace', `${path}:${line}: ${problem}.`, formatHint, { cause });
}
