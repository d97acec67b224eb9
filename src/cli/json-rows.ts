import { closeSync, openSync, readSync } from 'node:fs';

/** A piece of a JSON object: the text of one row, or what stands between rows. */
interface Piece {
  text: string;
  isRow: boolean;
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];
const space = 0x20;
/** Longest key that is looked for, with the spaces around its colon. */
const longestKey = 64;

/**
 * Reads the JSON object in a file piece by piece, so that no more than one element of its array `requests` is in
 * memory at a time. The pieces that are no rows are the object with that array empty.
 *
 * @throws SyntaxError where something other than objects stands in that array; other faults of syntax are in the
 *   pieces, for `JSON.parse` to find
 */
export function* jsonPieces(path: string, chunkBytes = 4 * 2 ** 20): Generator<Piece> {
  const file = openSync(path, 'r');
  try {
    yield* piecesOf(file, Buffer.allocUnsafe(chunkBytes));
  } finally {
    closeSync(file);
  }
}

function* piecesOf(file: number, buffer: Buffer): Generator<Piece> {
  /** Parts of the piece that began in an earlier chunk. */
  let carried: Buffer[] = [];
  let [depth, rows, commas] = [0, 0, 0];
  let [inString, isEscaped, inRows] = [false, false, false];
  const taken = (start: number, end: number) => {
    const text = Buffer.concat([...carried, buffer.subarray(start, end)]).toString('utf8');
    carried = [];
    return text;
  };
  const endsInKey = (start: number, end: number) => {
    const tail = Buffer.concat([...carried.slice(-longestKey), buffer.subarray(start, end)]);
    return /[^\\]"requests"\s*:\s*$/.test(tail.subarray(-longestKey).toString('latin1'));
  };
  for (;;) {
    const size = readSync(file, buffer, 0, buffer.length, null);
    if (size === 0) break;
    /** Offset at which the piece began; -1 between rows. */
    let start = inRows && depth === 2 ? -1 : 0;
    for (let i = 0; i < size; i++) {
      const byte = buffer[i]!;
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else if (byte === quote) inString = false;
      } else if (byte === openBrace || byte === openBracket) {
        if (inRows && depth === 2) start = i;
        if (depth === 1 && byte === openBracket && endsInKey(start, i)) {
          yield { text: taken(start, i + 1), isRow: false };
          inRows = true;
          start = -1;
        }
        depth++;
      } else if (byte === closeBrace || byte === closeBracket) {
        depth--;
        if (inRows && depth === 2) {
          yield { text: taken(start, i + 1), isRow: true };
          rows++;
          start = -1;
        } else if (inRows && depth === 1) {
          if (commas !== Math.max(0, rows - 1)) throw new SyntaxError('a comma too many or too few');
          inRows = false;
          start = i;
        }
      } else if (inRows && depth === 2) {
        if (byte === comma) commas++;
        else if (byte > space) throw new SyntaxError(`after request ${rows - 1} stands something else`);
      } else if (byte === quote) inString = true;
    }
    if (start >= 0) carried.push(Buffer.from(buffer.subarray(start, size)));
  }
  yield { text: taken(0, 0), isRow: false };
}
