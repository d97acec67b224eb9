import type { ReadStream } from 'node:fs';
import { CsvError, parse } from 'csv-parse';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { plainText } from '../../core/text.js';
import { jsonRecords } from '../json-records.js';
import { azure } from './azure.js';
import { bailian } from './bailian.js';
import { burstGpt } from './burstgpt.js';
import type { Fail, Fields, TraceFormat, TraceRow } from './format.js';
import { mooncake } from './mooncake.js';

export const formatHint =
  'A trace is CSV of Azure (TIMESTAMP, ContextTokens, GeneratedTokens) or BurstGPT (Timestamp, Request tokens, Response tokens), or JSONL of Mooncake, AIPerf or Bailian (timestamp, input_length, output_length, hash_ids).';

/** Characters of one line: seven times those of a prompt of a million tokens in blocks of 16. */
const mostCharacters = 2 ** 20;

/** A line of a trace; its row is null where the request failed when it was recorded. */
export interface ReadRow {
  line: number;
  format: TraceFormat;
  row: TraceRow | null;
}

/** Rows of CSV, whose format the header decides. Throws TokenworkError `bad-trace`. */
export async function* csvRows(source: ReadStream, path: string): AsyncGenerator<ReadRow> {
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
    max_record_size: mostCharacters,
  });
  // pipe() does not hand errors on.
  source.on('error', (error) => parser.destroy(error));
  let format: TraceFormat | null = null;
  try {
    for await (const { info, record } of source.pipe(parser) as AsyncIterable<CsvRecord>) {
      format ??= formatOf(header, path);
      yield { line: info.lines, format, row: format.read(record, failAt(path, info.lines)) };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw badTrace(
      path,
      Number(error.lines),
      plainText(error.message.replace(/,? (on|at) line \d+$/, '')),
      error,
    );
  }
}

interface CsvRecord {
  info: { lines: number };
  record: Fields;
}

function formatOf(header: readonly string[], path: string): TraceFormat {
  const format = header.some((name) => name.endsWith(' tokens')) ? burstGpt : azure;
  const missing = format.columns.find((column) => !header.includes(column.toLowerCase()));
  if (missing === undefined) return format;
  const named = plainText(header.join(', '));
  const shown = named.length > 200 ? `${named.slice(0, 200)}…` : named;
  throw badTrace(path, 1, `the header names no ${missing} column, but ${shown}`);
}

/** Values of JSONL or of a JSON array, whose format the first one decides. Throws TokenworkError `bad-trace`. */
export async function* jsonRows(source: ReadStream, path: string): AsyncGenerator<ReadRow> {
  const fail = (line: number, problem: string) => badTrace(path, line, problem);
  const texts = source.setEncoding('utf8') as AsyncIterable<string>;
  let format: TraceFormat | null = null;
  for await (const { text, line } of jsonRecords(texts, 'lines', fail, mostCharacters)) {
    let fields: unknown;
    try {
      // trim() takes a byte order mark away as well.
      fields = JSON.parse(text.trim());
    } catch (cause) {
      throw badTrace(path, line, `it is no JSON: ${plainText(messageOf(cause))}`, cause);
    }
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
      throw fail(line, 'it is no object');
    refuseText(fields as Fields, path, line);
    format ??= 'chat_id' in fields ? bailian : mooncake;
    yield { line, format, row: format.read(fields as Fields, failAt(path, line)) };
  }
}

/** Fields in which files of prompts have their texts. */
const textFields = ['prompt', 'messages', 'body', 'conversations', 'text', 'texts', 'text_input', 'turns'];

/** Throws TokenworkError `bad-trace` for a line of prompts, which have texts in place of lengths. */
function refuseText(fields: Fields, path: string, line: number): void {
  const field = textFields.find((name) => name in fields);
  if (field === undefined || 'input_length' in fields) return;
  throw new TokenworkError(
    'bad-trace',
    `${path}:${line}: it has a text in "${field}", and no input_length.`,
    'Measure texts with --prompts FILE: ShareGPT, OpenAI batches, and the prompts of vllm bench and AIPerf.',
  );
}

const failAt =
  (path: string, line: number): Fail =>
  (problem) =>
    badTrace(path, line, problem);

export function badTrace(path: string, line: number, problem: string, cause?: unknown): TokenworkError {
  return new TokenworkError('bad-trace', `${path}:${line}: ${problem}.`, formatHint, { cause });
}
