/**
 * `npm run schema`: writes the table of statistics between the marks in results/README.md. With `--check` it writes
 * nothing, and exits with 1 where the table is not what src/core/statistics.ts says.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { statistics } from '../dist/core/statistics.js';

const target = new URL('../results/README.md', import.meta.url);
const rows = statistics.map(({ name, label, definition }) => `| ${label} (\`${name}\`) | ${definition} |`);
const table = ['| statistic | definition |', '| --- | --- |', ...rows].join('\n');

const before = readFileSync(target, 'utf8');
const after = before.replace(
  /(<!-- statistics -->\n)[\s\S]*(<!-- \/statistics -->)/,
  (_, open, close) => `${open}\n${table}\n\n${close}`,
);
if (!process.argv.includes('--check')) writeFileSync(target, after);
else if (after !== before) process.exitCode = 1;
