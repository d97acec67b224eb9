import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { streamReader } from './stream-reader.js';

/** What a stream holds when it comes in these pieces. */
function read(
  framing: 'sse' | 'ndjson',
  pieces: readonly Uint8Array[],
  longest = 1000,
  isWhole = true,
): unknown[] {
  const held: unknown[] = [];
  let isBad = false;
  const reader = streamReader(framing, longest, {
    event: (event) => held.push(event),
    done: () => held.push('done'),
    error: (data) => held.push({ error: data }),
    bad: (problem) => {
      if (!isBad) held.push(`bad: ${problem}`);
      isBad = true;
    },
  });
  for (const piece of pieces) if (!isBad) reader.feed(Buffer.from(piece));
  if (isWhole && !isBad) reader.end();
  return held;
}

/** Cuts at the places that are drawn. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const events = [{ text: 'süß 🦙' }, { text: 'line\nbreak \u2028' }, { empty: [] }];

describe.each(['\n', '\r\n'])('a stream with line breaks %j', (lineBreak) => {
  it.each(['sse', 'ndjson'] as const)('of %s holds the same in whatever pieces it comes', (framing) => {
    const text =
      framing === 'sse'
        ? `: ping\n\n${events.map((event) => `event: x\ndata: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`
        : events.map((event) => `${JSON.stringify(event)}\n`).join('');
    const bytes = Buffer.from(text.replaceAll('\n', lineBreak));
    const expected = framing === 'sse' ? [...events, 'done'] : events;
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (places) => {
        expect(read(framing, cut(bytes, places))).toEqual(expected);
      }),
    );
  });
});

describe('a stream reader', () => {
  const one = (text: string, options: { isWhole?: boolean; longest?: number } = {}) =>
    read('sse', [Buffer.from(text)], options.longest, options.isWhole);

  it('takes events of several lines, and ends with a blank after them', () => {
    expect(one('data: {"a":\ndata: 1}\n\ndata: [DONE] \n\n')).toEqual([{ a: 1 }, 'done']);
  });

  it('takes an event whose line break the end of the stream stands for', () => {
    expect(one('data: {"a":1}')).toEqual([{ a: 1 }]);
    expect(read('ndjson', [Buffer.from('{"a":1}\n{"b":2}')])).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it('drops half an event at the end', () => {
    expect(one('data: {"a":1}\n\ndata: {"b":')).toEqual([{ a: 1 }]);
    expect(read('ndjson', [Buffer.from('{"a":1}\n{"b":')])).toEqual([{ a: 1 }]);
  });

  it('tells what is no JSON', () => {
    expect(one('data: {"a":\n\n')).toEqual(['bad: an event that is no JSON: {"a":']);
    expect(read('ndjson', [Buffer.from('<html>\n')])).toEqual(['bad: an event that is no JSON: <html>']);
  });

  it('tells errors by the name of the event or of the field', () => {
    expect(one('event: error\ndata: {"code":500}\n\n')).toEqual([{ error: { code: 500 } }]);
    expect(one('event: error\ndata: no memory\n\n')).toEqual([{ error: 'no memory' }]);
    expect(one('error: {"code":500}\n\n')).toEqual([{ error: '{"code":500}' }]);
  });

  it.each(['sse', 'ndjson'] as const)('of %s throws on no bytes', (framing) => {
    const line = fc.constantFrom(
      'data: ',
      'event: error\n',
      '\n\n',
      '\r',
      '[DONE]',
      '{"a":',
      '1}',
      ':',
      'error: x',
    );
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      line.map((text) => Buffer.from(text)),
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => void read(framing, pieces)));
  });

  it.each(['sse', 'ndjson'] as const)('of %s keeps no more than an event may be long', (framing) => {
    const long = Buffer.from(`data: ${'x'.repeat(2 * 2 ** 20)}`);
    expect(read(framing, [long], 2 ** 20)).toEqual(['bad: an event of more than 1 MiB']);
  });
});
