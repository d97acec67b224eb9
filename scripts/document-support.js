/**
 * `npm run schema`: writes the table of systems between the marks in README.md and src/sensors/README.md.
 * With `--check` it writes nothing, and exits with 1 where the table is not what the code says.
 */
import { supportTable } from '../dist/run/support.js';
import { markdownTable, writeBetween } from './between-marks.js';

const table = markdownTable(supportTable());
for (const path of ['README.md', 'src/sensors/README.md']) writeBetween('support', path, table);
