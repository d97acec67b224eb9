import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { type GgufField, ggufBytes, ggufLayout } from '../../gguf/write.js';
import type { Recipe } from '../../recipe.js';
import type { OnBytes } from '../synced-file.js';
import { type Piece, type PieceFailure, writePiece } from './piece.js';
import { ggufTensors, type RowSource, rowCount, type TensorTarget } from './tensors.js';

// A worker loads no TypeScript: where the sources run (tests), the build stands in for them.
const workerFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts')
      ? '../../../../dist/models/build/gguf/piece-worker.js'
      : './piece-worker.js',
    import.meta.url,
  ),
);
/** Elements of a piece: a tenth of a second or so, and 64 MB in F32. */
const largestPiece = 2 ** 24;
/** Elements for which a thread is worth its start. */
const leastOfThread = 2 ** 25;
/** A worker holds some 50 MB, and eight keep most disks busy. */
const mostThreads = 8;

/** A model to be written. */
export interface GgufPlan {
  recipe: Recipe;
  target: TensorTarget;
  metadata: Record<string, GgufField>;
}

/**
 * Writes a recipe's GGUF file in pieces of its tensors, each of which draws its own numbers, so that any number of threads
 * writes the same bytes; one thread where it is small. Has it on the disk before it returns, and throws what `onBytes` does.
 */
export async function writePieces(
  path: string,
  { recipe, target, metadata }: GgufPlan,
  {
    onBytes,
    pieceElements = largestPiece,
    threads,
  }: { onBytes: OnBytes; pieceElements?: number; threads?: number },
): Promise<void> {
  const tensors = ggufTensors(recipe, target);
  const { header, starts, length } = ggufLayout(metadata, tensors);
  const pieces = tensors.flatMap((tensor, index) => piecesOf(tensor, index, starts[index]!, pieceElements));
  const total = pieces.reduce((sum, { bytes }) => sum + bytes, 0);
  let written = 0;
  const wrote = ({ bytes }: Piece) => {
    written += bytes;
    onBytes(written, total);
  };
  const file = await open(path, 'wx');
  try {
    await file.truncate(length);
    await file.write(header, 0, header.length, 0);
    const workers = threads ?? threadsFor(tensors);
    if (workers > 1) await writeInWorkers(path, { recipe, target, pieces, threads: workers }, wrote);
    else
      for (const piece of pieces) {
        await writePiece(file, tensors[piece.tensor]!, piece);
        wrote(piece);
      }
    await file.sync();
  } finally {
    await file.close();
  }
}

function threadsFor(tensors: readonly RowSource[]): number {
  const elements = tensors.reduce((sum, { shape }) => sum + shape[0]! * rowCount(shape), 0);
  return Math.min(mostThreads, availableParallelism(), Math.floor(elements / leastOfThread));
}

function piecesOf(tensor: RowSource, index: number, start: number, pieceElements: number): Piece[] {
  const rows = rowCount(tensor.shape);
  const rowBytes = ggufBytes(tensor) / rows;
  const most = Math.max(1, Math.floor(pieceElements / tensor.shape[0]!));
  return Array.from({ length: Math.ceil(rows / most) }, (_, part) => {
    const [from, to] = [part * most, Math.min(rows, (part + 1) * most)];
    return { tensor: index, from, to, position: start + from * rowBytes, bytes: (to - from) * rowBytes };
  });
}

async function writeInWorkers(
  path: string,
  { threads, pieces, ...drawn }: Pick<GgufPlan, 'recipe' | 'target'> & { threads: number; pieces: Piece[] },
  wrote: (piece: Piece) => void,
): Promise<void> {
  const pool = new Piscina({
    ...{ filename: workerFile, minThreads: threads, maxThreads: threads, workerData: { path, ...drawn } },
    ...{ atomics: 'disabled', recordTiming: false },
  });
  try {
    await Promise.all(
      pieces.map(async (piece) => {
        const failure: PieceFailure | null = await pool.run(piece);
        if (failure !== null) throw Object.assign(new Error(failure.message), { code: failure.code });
        wrote(piece);
      }),
    );
  } finally {
    await pool.destroy();
  }
}
