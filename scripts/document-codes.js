/**
 * `npm run schema`: writes the table of error and warning codes between the marks in src/core/README.md.
 * With `--check` it writes nothing, and exits with 1 where the table is not what the codes say.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { errorCodes, exitCodeOf, failureCodes, warningCodes } from '../dist/core/codes.js';

const target = new URL('../src/core/README.md', import.meta.url);
const rows = [
  ...Object.entries(errorCodes).map(([code, meaning]) => [code, `error, exit ${exitCodeOf(code)}`, meaning]),
  ...Object.entries(failureCodes).map(([code, meaning]) => [code, 'fail', meaning]),
  ...Object.entries(warningCodes).map(([code, meaning]) => [code, 'warning', meaning]),
].sort(([a, , x], [b, , y]) => (`${a} ${x}` < `${b} ${y}` ? -1 : 1));
const cells = [
  ['Code', 'Kind', 'Meaning'],
  ...rows.map(([code, kind, meaning]) => [`\`${code}\``, kind, meaning]),
];
const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column].length)));
// Padded as the formatter leaves it.
const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
const table = [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');

const before = readFileSync(target, 'utf8');
const after = before.replace(
  /(<!-- codes -->\n)[\s\S]*(<!-- \/codes -->)/,
  (_, open, close) => `${open}\n${table}\n\n${close}`,
);
if (!process.argv.includes('--check')) writeFileSync(target, after);
else if (after !== before) process.exitCode = 1;
