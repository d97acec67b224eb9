import { plainText } from '../../core/text.js';
import { readColumns, type ShownColumn } from '../tables/table.js';

/** A result is untrusted input: no name in it may end a table cell, open a tag or begin a heading. */
export function markdownText(text: string): string {
  return (
    plainText(text)
      .replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign]!)
      .replace(/[\\|`*_[\]~#]/g, '\\$&')
      // A word joiner: hosts would call the person of that name.
      .replaceAll('@', '@\u2060')
      .replace(/\s+/g, ' ')
  );
}

/** Columns as a table; nothing where they have no rows. */
export function markdownTable(all: readonly ShownColumn[]): string {
  const columns = readColumns(all);
  const rows = columns[0]!.text.map((_, row) => columns.map(({ text }) => markdownText(text[row] ?? '')));
  if (rows.length === 0) return '';
  const lines = [
    columns.map(({ header }) => markdownText(header.filter((line) => line !== '').join(', '))),
    columns.map(({ align }) => (align === 'right' ? '---:' : ':---')),
    ...rows,
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Text as it is, in a block that nothing in it can end. */
export function markdownCode(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
