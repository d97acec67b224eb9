/** What is generated into documents that people write as well. */
import { readFileSync, writeFileSync } from 'node:fs';

/** A table in Markdown, its first row the head, padded as the formatter leaves it. */
export function markdownTable(cells) {
  const widths = cells[0].map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

/**
 * Writes a text between `<!-- mark -->` and `<!-- /mark -->` of a document. With `--check` it writes nothing, and the
 * process ends with 1 where another text stands there.
 */
export function writeBetween(mark, path, text) {
  const target = new URL(`../${path}`, import.meta.url);
  const before = readFileSync(target, 'utf8');
  const after = before.replace(
    new RegExp(`(<!-- ${mark} -->\n)[\\s\\S]*(<!-- /${mark} -->)`),
    (_, open, close) => `${open}\n${text}\n\n${close}`,
  );
  if (!process.argv.includes('--check')) writeFileSync(target, after);
  else if (after !== before) process.exitCode = 1;
}
