import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { TokenworkError } from '../core/errors.js';
import { otherwise } from '../core/log.js';
import { gapEncoder } from '../fold/gap-histogram.js';
import { loadTokenizer } from '../models/tokenizer.js';
import { assemble, type ImportedResult } from './assemble.js';
import { formatOf } from './formats.js';
import {
  badImport,
  type Format,
  type ImportContext,
  type ImportedRequest,
  type KeptRequest,
  type PlacedValue,
} from './imported.js';
import type { Shape } from './shape.js';
import { placedValues } from './values.js';

export interface ImportOptions {
  /** The shape of the model; null: nothing is derived. */
  shape: Shape | null;
  /** A folder with the tokenizer of the model, for files that hold texts and no counts. */
  tokenizer?: string | undefined;
  command: string;
  onProgress?: ((requests: number) => void) | undefined;
}

/**
 * Reads files of one other tool into one result, whose rows are made as they are asked for. Throws TokenworkError
 * `unknown-import`, `bad-import`, `empty-import`, or what reading JSON and tokenizers throws.
 */
export async function importFiles(paths: readonly string[], options: ImportOptions): Promise<ImportedResult> {
  const notes = new Map<string, number>();
  const tokenizer = options.tokenizer === undefined ? null : await loadTokenizer(options.tokenizer);
  const marks = tokenizer?.encode('').length ?? 0;
  const context: ImportContext = {
    note: (message, count = 1) => notes.set(message, (notes.get(message) ?? 0) + count),
    countTokens: tokenizer && ((text) => tokenizer.encode(text).length - marks),
  };
  const encode = gapEncoder();
  const kept: KeptRequest[] = [];
  let format: Format | null = null;
  for (const path of paths) {
    const values = placedValues(path);
    const first = await values.next();
    if (first.done) throw emptyImport(path, 'the file is empty');
    const own = formatOf(first.value);
    if (format !== null && own !== format) {
      const problem = `it is of ${own.tool}, and the files before it of ${format.tool}`;
      throw badImport(
        path,
        problem,
        'Import the files of one tool at a time, and compare the results with `tokenwork diff`.',
      );
    }
    format = own;
    for await (const request of own.read(chained(first.value, values), context)) {
      kept.push(keep(request, encode));
      if (kept.length % 1000 === 0) options.onProgress?.(kept.length);
    }
  }
  if (kept.length === 0) {
    const why = [...notes].map(([message, count]) => `${count} ${message}`).join('; ');
    throw emptyImport(paths.join(', '), why === '' ? 'it holds no request' : `no request is left: ${why}`);
  }
  const written = await stat(paths[0]!).then(
    ({ mtimeMs }) => mtimeMs,
    otherwise(0, 'time of an imported file'),
  );
  return assemble(kept, {
    ...{ format: format!, notes, shape: options.shape, command: options.command, writtenMs: written },
    files: paths.map((path) => basename(path)),
  });
}

async function* chained(first: PlacedValue, rest: AsyncIterable<PlacedValue>): AsyncGenerator<PlacedValue> {
  yield first;
  yield* rest;
}

/** Gaps between tokens are the bulk of a request: no more than their histogram is kept. */
function keep(
  { run, atNs, outcome }: ImportedRequest,
  encode: (gaps: readonly number[]) => string | null,
): KeptRequest {
  if (outcome.status === 'failed') return { run, atNs, outcome, interTokenLatency: null };
  const { gaps, ...times } = outcome.times;
  return {
    ...{ run, atNs },
    outcome: { ...outcome, times },
    interTokenLatency: gaps === null ? null : encode(gaps),
  };
}

function emptyImport(where: string, problem: string): TokenworkError {
  return new TokenworkError(
    'empty-import',
    `${where}: ${problem}.`,
    'Pass the file of a run that sent requests and had answers streamed.',
  );
}
