/**
 * `npm run schema`: writes the table of statistics between the marks in results/README.md. With `--check` it writes
 * nothing, and exits with 1 where the table is not what src/core/statistics.ts says.
 */
import { statistics } from '../dist/core/statistics.js';
import { writeBetween } from './between-marks.js';

const rows = statistics.map(({ name, label, definition }) => `| ${label} (\`${name}\`) | ${definition} |`);
const table = ['| statistic | definition |', '| --- | --- |', ...rows].join('\n');
writeBetween('statistics', 'results/README.md', table);
