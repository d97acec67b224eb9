import type { FileHandle } from 'node:fs/promises';
import { writeFully } from '../synced-file.js';
import type { RowRange } from './rows.js';
import type { RowSource } from './tensors.js';

/** Rows of a tensor, by its index, and where in the file they lie. */
export interface Piece extends RowRange {
  tensor: number;
  position: number;
  bytes: number;
}

/** What an error loses between threads. */
export interface PieceFailure {
  code: string | undefined;
  message: string;
}

/** Writes rows of a tensor into a file. */
export async function writePiece(
  file: FileHandle,
  tensor: RowSource,
  { from, to, position }: Piece,
): Promise<void> {
  let at = position;
  for (const chunk of tensor.chunks({ from, to })) {
    await writeFully(file, chunk, at);
    at += chunk.byteLength;
  }
}
