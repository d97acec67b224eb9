import { readSync } from 'node:fs';

const chunkBytes = 2 ** 16;
/** A header of hundreds of channels is far below it; a file without line breaks is no session. */
const longestLineBytes = 2 ** 20;

/**
 * The lines of an open file one after the other, in bounded memory however large it is. `whole` is false
 * of a last line that no line break ends. `onBytes` sees all that is read.
 */
export function* linesOf(
  file: number,
  onBytes: (bytes: Uint8Array) => void = () => {},
): Generator<{ text: string; whole: boolean }, void> {
  const chunk = Buffer.alloc(chunkBytes);
  let rest = Buffer.alloc(0);
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
    onBytes(chunk.subarray(0, read));
    const data = Buffer.concat([rest, chunk.subarray(0, read)]);
    let from = 0;
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, from)) {
      yield { text: data.toString('utf8', from, at), whole: true };
      from = at + 1;
    }
    rest = data.subarray(from);
    if (rest.length > longestLineBytes) throw new Error('it is too long');
  }
  if (rest.length > 0) yield { text: rest.toString('utf8'), whole: false };
}
