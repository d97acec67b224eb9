import { type FileHandle, open } from 'node:fs/promises';

/** Called with the bytes written and to be written; throws to stop. */
export type OnBytes = (written: number, total: number) => void;

/** Writes chunks in turn and has them on the disk before it returns. */
export async function writeSynced(path: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    for (const chunk of chunks) await writeFully(file, chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes all of a chunk, at a position of the file, or after what was last written. */
export async function writeFully(file: FileHandle, chunk: Uint8Array, position?: number): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    const at = position === undefined ? null : position + offset;
    const { bytesWritten } = await file.write(chunk, offset, chunk.byteLength - offset, at);
    offset += bytesWritten;
  }
}
