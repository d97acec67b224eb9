import { writeSync } from 'node:fs';

const chunkBytes = 2 ** 20;

/**
 * Writes texts one after the other to an open file through one buffer: joined as strings they would grow the heap, which
 * is collected late, by many times the buffer. Throws what writing throws.
 */
export function writeTexts(file: number, texts: Iterable<string>): void {
  let buffer = Buffer.allocUnsafe(chunkBytes);
  let filled = 0;
  const flush = () => {
    for (let written = 0; written < filled; ) written += writeSync(file, buffer, written, filled - written);
    filled = 0;
  };
  for (const text of texts) {
    // No character takes more.
    const most = 3 * text.length;
    if (filled + most > buffer.length) flush();
    if (most > buffer.length) buffer = Buffer.allocUnsafe(most);
    filled += buffer.write(text, filled);
  }
  flush();
}
