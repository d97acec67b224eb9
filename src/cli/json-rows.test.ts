import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { jsonPieces } from './json-rows.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-rows-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function piecesOf(text: string, chunkBytes?: number): { outside: string; rows: string[] } {
  const path = join(scratch, 'document.json');
  writeFileSync(path, text);
  const pieces = [...jsonPieces(path, chunkBytes)];
  return {
    outside: pieces.flatMap((piece) => (piece.isRow ? [] : piece.text)).join(''),
    rows: pieces.flatMap((piece) => (piece.isRow ? piece.text : [])),
  };
}

describe('a JSON document read in pieces', () => {
  it('is its rows and the rest, wherever chunks end and whatever strings hold', () => {
    const row = fc.record({
      name: fc.string({ unit: 'binary' }),
      inner: fc.array(fc.object({ maxDepth: 1 })),
    });
    fc.assert(
      fc.property(
        fc.array(row),
        fc.string({ unit: 'binary' }),
        fc.constantFrom(0, 1),
        fc.integer({ min: 1, max: 200 }),
        (requests, before, indent, chunkBytes) => {
          const rest = {
            before,
            cells: [{ requests: ['"requests":['] }],
            '"requests': [1],
            after: { requests: [2] },
          };
          const { cells, ...others } = rest;
          const document = JSON.stringify({ cells, requests, ...others }, null, indent);
          const { outside, rows } = piecesOf(document, chunkBytes);
          expect(rows.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(requests)));
          expect(JSON.parse(outside)).toEqual({ ...rest, requests: [] });
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(['{"requests":[{},1]}', '{"requests":[{}{}]}', '{"requests":[{},]}', '{"requests":[,{}]}'])(
    'refuses rows that are no list of objects: %s',
    (text) => {
      expect(() => piecesOf(text)).toThrow(SyntaxError);
    },
  );
});
