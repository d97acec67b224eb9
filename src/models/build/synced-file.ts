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

async function writeFully(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, offset);
    offset += bytesWritten;
  }
}
