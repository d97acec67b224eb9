import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineOfPath, positionOfSyntaxError } from './json-position.js';

describe('the line of a JSON path', () => {
  const text = [
    '{',
    '  "a": [1, {"b": "}"},',
    '    [2,',
    '     3]],',
    '  "c\\"d": {',
    '    "e": null',
    '  }',
    '}',
  ].join('\n');

  it.each([
    [[], 1],
    [['a'], 2],
    [['a', 1, 'b'], 2],
    [['a', 2], 3],
    [['a', 2, 1], 4],
    [['c"d', 'e'], 6],
  ])('%j is on line %d', (path, line) => {
    expect(lineOfPath(text, path)).toBe(line);
  });

  it('is that of the nearest ancestor where the path is not there', () => {
    expect(lineOfPath(text, ['c"d', 'missing', 0])).toBe(5);
    expect(lineOfPath(text, ['a', 9])).toBe(2);
    expect(lineOfPath(text, ['a', 0, 'below a number'])).toBe(2);
  });

  it('is found behind a string of many megabytes', () => {
    const long = `"${'x\\"'.repeat(4e6)}"`;
    expect(lineOfPath(`{\n"a": ${long},\n"b": 1}`, ['b'])).toBe(3);
  });

  it('is found in any document, whatever its strings hold', () => {
    // Pretty-printed arrays put each element on a line of its own.
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.nat(), (strings, pick) => {
        const index = pick % strings.length;
        expect(lineOfPath(JSON.stringify(strings, null, 1), [index])).toBe(index + 2);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, key) => {
        const before = JSON.stringify({ before: value }, null, 1).split('\n').length - 1;
        expect(lineOfPath(JSON.stringify({ before: value, [`_${key}`]: 1 }, null, 1), [`_${key}`])).toBe(
          before + 1,
        );
      }),
    );
  });
});

describe('the line of a JSON syntax error', () => {
  it.each([
    ['{\n  "a": 1,\n}', 3],
    ['{\n  "a": [,]\n}', 2],
    ['{\n  "a": "two\nlines"\n}', 2],
    ['{\n  "a": 1\n  "b": 2\n}', 3],
    ['{\n  a: 1\n}', 2],
    ['{}\n\n{}', 3],
    ['{\n  "a": 1\n', 3],
    ['{\n  "a": "b', 2],
    ['', 1],
  ])('of %j is %d', (text, line) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    expect(positionOfSyntaxError(text).line).toBe(line);
  });

  it('comes with its column, and whether the text just ends', () => {
    expect(positionOfSyntaxError('{"a": 1,,}')).toEqual({ line: 1, column: 9, atEnd: false });
    expect(positionOfSyntaxError('[1,\n 2')).toEqual({ line: 2, column: 3, atEnd: true });
  });

  it('is where a stray token stands, in surroundings that occur once or again and again', () => {
    const values = fc.array(fc.constantFrom<unknown>(1, 'two', 'a, "b" is not valid JSON', {}), {
      minLength: 1,
    });
    fc.assert(
      fc.property(values, values, (before, after) => {
        const beginning = `${JSON.stringify(before).slice(0, -1)},`;
        const { line, column } = positionOfSyntaxError(`${beginning}@,${JSON.stringify(after).slice(1)}`);
        expect([line, column]).toEqual([1, beginning.length + 1]);
      }),
    );
  });

  it('lies behind any whole beginning of a document', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (value, at) => {
        const text = JSON.stringify([value]);
        const cut = text.slice(0, at % text.length);
        expect(positionOfSyntaxError(cut).atEnd).toBe(true);
        expect(positionOfSyntaxError(`${text}]`)).toMatchObject({ line: 1, column: text.length + 1 });
      }),
    );
  });
});
