import { csvLine } from '../csv.js';
import type { RowColumn } from './request-columns.js';

const rowsPerPiece = 1000;

/**
 * Columns as CSV (RFC 4180), in pieces, as a text of a million rows may be longer than a string can be. Absent
 * values are empty fields, and an empty text is quoted.
 */
export function* csvPieces(columns: readonly RowColumn[]): Generator<string> {
  yield csvLine(columns.map(({ name }) => name));
  const rows = columns[0]?.values.length ?? 0;
  for (let from = 0; from < rows; from += rowsPerPiece) {
    const piece = [];
    for (let row = from; row < Math.min(rows, from + rowsPerPiece); row++)
      piece.push(csvLine(columns.map(({ values }) => values[row] ?? null)));
    yield piece.join('');
  }
}
