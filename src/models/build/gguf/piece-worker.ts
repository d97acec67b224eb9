/** A thread that writes pieces of one GGUF file: a small task, as it draws what it writes. */
import { open } from 'node:fs/promises';
import { workerData } from 'piscina';
import { messageOf } from '../../../core/errors.js';
import type { Recipe } from '../../recipe.js';
import { type Piece, type PieceFailure, writePiece } from './piece.js';
import { ggufTensors, type TensorTarget } from './tensors.js';

const { path, recipe, target } = workerData as { path: string; recipe: Recipe; target: TensorTarget };
const tensors = ggufTensors(recipe, target);

/** Writes a piece. Returns why it could not, as an error that is thrown loses its code on the way; null where it could. */
export default async function write(piece: Piece): Promise<PieceFailure | null> {
  try {
    const file = await open(path, 'r+');
    try {
      await writePiece(file, tensors[piece.tensor]!, piece);
    } finally {
      await file.close();
    }
    return null;
  } catch (cause) {
    return { code: (cause as NodeJS.ErrnoException).code, message: messageOf(cause) };
  }
}
