import { describe, expect, it } from 'vitest';
import { plainStrings, plainText, printable, printableJson, withoutLogCommands } from './text.js';

const hostile = 'a\u001b[2Jb\u009b2Jc\u202ed\u2066e\u0000f\u007fg';

describe('plainText', () => {
  it('is one line without controls', () => {
    expect(plainText(hostile)).toBe('a\ufffd[2Jb\ufffd2Jc\ufffdd\ufffde\ufffdf\ufffdg');
    expect(plainText('a\r\nb\tc\u2028d\u0085e')).toBe('a b c d e');
  });

  it('leaves letters, accents and signs of any script alone', () => {
    for (const text of ['Zürich 東京 नमस्ते שלום 👩‍👩‍👧', '\u200f', '']) expect(plainText(text)).toBe(text);
  });
});

describe('plainStrings', () => {
  it('reaches keys and values at any depth, names of prototypes too', () => {
    const document = JSON.parse('{"a\\u001b":[{"b":"\\n"}],"__proto__":{"c":"\\u0007"},"d":1}');
    const plain = plainStrings(document);
    expect(JSON.stringify(plain)).toBe('{"a\ufffd":[{"b":" "}],"__proto__":{"c":"\ufffd"},"d":1}');
    expect(Object.getPrototypeOf(plain)).toBe(Object.prototype);
  });

  it('is the document itself where there is nothing to take out', () => {
    const document = { a: ['b', { c: null }] };
    expect(plainStrings(document)).toBe(document);
  });
});

describe('printable', () => {
  it('lets line breaks, tabs and colours pass', () => {
    const text = 'a\tb\n\u001b[1mc\u001b[22m\r\n\u001b[31md\u001b[39m';
    expect(printable(text, { color: true })).toBe(text);
  });

  it('lets no other control pass, no hidden text, and no colour where there is none', () => {
    expect(printable(`${hostile}\r`, { color: true })).toBe(`${plainText(hostile)}\ufffd`);
    expect(printable('\u001b[8mhidden', { color: true })).toBe('\ufffd[8mhidden');
    expect(printable('\u001b[1mb', { color: false })).toBe('\ufffd[1mb');
  });
});

it('leaves a log without commands to the service that keeps it', () => {
  expect(withoutLogCommands('::error::x\n  ::warning::y\na ::b')).toBe(': :error::x\n  : :warning::y\na ::b');
  expect(withoutLogCommands('x ##[error]y ##vso[task]z ## heading')).toBe(
    'x # #[error]y # #vso[task]z ## heading',
  );
});

it('prints JSON that means the same and that a terminal and a log take as text', () => {
  const value = { [hostile]: '##[error]x', 'b\n::error::': '\u2028' };
  const text = printableJson(value, 2);
  expect(JSON.parse(text)).toEqual(value);
  expect(withoutLogCommands(printable(text, { color: false }))).toBe(text);
});
