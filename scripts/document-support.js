/**
 * `npm run schema`: writes the table of systems between the marks in README.md and src/sensors/README.md.
 * With `--check` it writes nothing, and exits with 1 where the table is not what the code says.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { supportTable } from '../dist/run/support.js';

const cells = supportTable();
// Padded as the formatter leaves it.
const widths = cells[0].map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
const table = [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');

for (const name of ['../README.md', '../src/sensors/README.md']) {
  const target = new URL(name, import.meta.url);
  const before = readFileSync(target, 'utf8');
  const after = before.replace(
    /(<!-- support -->\n)[\s\S]*(<!-- \/support -->)/,
    (_, open, close) => `${open}\n${table}\n\n${close}`,
  );
  if (!process.argv.includes('--check')) writeFileSync(target, after);
  else if (after !== before) process.exitCode = 1;
}
