/**
 * Text that others wrote: it may steer a terminal, hide what stands beside it, end a line or a table, or give a
 * command to the service that keeps a log.
 */

/** C0 and C1 controls, line and paragraph separators, and what turns the direction of writing around. */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
const spaces = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
const unsafeAnywhere = new RegExp(unsafe, 'gu');

/** Text as one line without controls: line breaks and tabs become a space, all else U+FFFD. */
export function plainText(text: string): string {
  return unsafe.test(text) ? text.replace(spaces, ' ').replace(unsafeAnywhere, '\ufffd') : text;
}

/** Values nested deeper than this are handed back as they are; what reads them refuses them. */
const deepest = 100;

/** A value of JSON with every string and key of it as `plainText` gives it; itself where nothing differs. */
export function plainStrings<Value>(value: Value): Value {
  return plain(value, deepest) as Value;
}

function plain(value: unknown, levels: number): unknown {
  if (typeof value === 'string') return plainText(value);
  if (typeof value !== 'object' || value === null || levels === 0) return value;
  if (Array.isArray(value)) {
    let items: unknown[] = value;
    for (const [index, item] of value.entries()) {
      const clean = plain(item, levels - 1);
      if (clean !== item) items = items.with(index, clean);
    }
    return items;
  }
  const record = value as Record<string, unknown>;
  let changed = false;
  const entries: [string, unknown][] = [];
  for (const key of Object.keys(record)) {
    const entry: [string, unknown] = [plainText(key), plain(record[key], levels - 1)];
    changed ||= entry[0] !== key || entry[1] !== record[key];
    entries.push(entry);
  }
  return changed ? Object.fromEntries(entries) : value;
}

const esc = '\u001b';
/** All of `unsafe` but line breaks, tabs and escapes. */
const unprintable = new RegExp(`\\r(?!\\n)|(?![\\t\\n\\r${esc}])${unsafe.source}`, 'gu');
/** An escape that begins no setting of bold, dim, underlining or colours. */
const otherEscape = new RegExp(`${esc}(?!\\[(?:[0-49]|2[2-4]|3\\d|9[0-7])?m)`, 'g');

/** Text to be printed: of control characters only line breaks and tabs, and colours where they are wanted. */
export function printable(text: string, { color }: { color: boolean }): string {
  return text.replace(unprintable, '\ufffd').replaceAll(color ? otherEscape : esc, '\ufffd');
}

/**
 * Text in which a service for continuous integration finds no command. GitHub's runner takes `::NAME::` at the start of
 * a line, after blanks too, and `##[NAME]` anywhere, Azure's `##vso[NAME]`. A blank parts them: of characters without
 * width a search by the rules of a language takes no notice.
 */
export function withoutLogCommands(text: string): string {
  return text.replace(/^(\s*:):/gm, '$1 :').replace(/##(?=\w*\[)/g, '# #');
}

/** JSON as data to be printed: what `printable` and `withoutLogCommands` would alter is written as an escape. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent)
    .replace(unsafeInJson, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(/##(?=\w*\[)/g, '#\\u0023');
}

/** `JSON.stringify` escapes the C0 controls itself; its own line breaks stay. */
const unsafeInJson = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
