import { TokenworkError } from '../core/errors.js';
import type { Result } from '../core/result.js';
import { csvPieces } from '../report/rows/csv.js';
import { requestColumns } from '../report/rows/request-columns.js';
import { refuseExisting, writeOutputFile } from './output-file.js';
import { printData } from './terminal.js';

/**
 * Refuses a place that `writeRows` could not write to, before anything is read. Throws TokenworkError
 * `bad-option` for another ending than .csv and .parquet, and `unwritable-output` where a file lies there
 * already, unless `force` is given.
 */
export async function refuseRowsTarget(path: string, force: boolean): Promise<void> {
  if (path === '-') return;
  if (!/\.(csv|parquet)$/i.test(path)) {
    throw new TokenworkError(
      'bad-option',
      `--rows cannot write ${path}: its ending says neither CSV nor Parquet.`,
      'Name a file that ends in .csv or .parquet, or `-` for CSV on standard output.',
    );
  }
  if (!force) await refuseExisting(path);
}

/**
 * Writes a flat row for each request of all results, as CSV or Parquet by the path's ending, and returns their
 * number. Throws TokenworkError `unwritable-output`, or `stdout-unwritable` for `-`.
 */
export async function writeRows(path: string, results: readonly Result[]): Promise<number> {
  const columns = requestColumns(results);
  if (path === '-') {
    for (const piece of csvPieces(columns)) await printData(piece);
  } else if (/\.csv$/i.test(path)) {
    await writeOutputFile(path, csvPieces(columns));
  } else {
    // Loaded where Parquet is asked for alone.
    const { parquetBytes } = await import('../report/rows/parquet.js');
    await writeOutputFile(path, parquetBytes(columns, metadataOf(results)));
  }
  return columns[0]!.values.length;
}

function metadataOf(results: readonly Result[]): Record<string, string> {
  const all = (values: readonly (string | number)[]) => [...new Set(values)].join(', ');
  return {
    'tokenwork.version': all(results.map(({ tool }) => tool.version)),
    'tokenwork.schema_version': all(results.map(({ schemaVersion }) => schemaVersion)),
    'tokenwork.run_id': all(results.map(({ run }) => run.id)),
  };
}
