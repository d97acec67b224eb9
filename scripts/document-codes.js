/**
 * `npm run schema`: writes the table of error and warning codes between the marks in src/core/README.md.
 * With `--check` it writes nothing, and exits with 1 where the table is not what the codes say.
 */
import { errorCodes, exitCodeOf, failureCodes, warningCodes } from '../dist/core/codes.js';
import { markdownTable, writeBetween } from './between-marks.js';

const rows = [
  ...Object.entries(errorCodes).map(([code, meaning]) => [code, `error, exit ${exitCodeOf(code)}`, meaning]),
  ...Object.entries(failureCodes).map(([code, meaning]) => [code, 'fail', meaning]),
  ...Object.entries(warningCodes).map(([code, meaning]) => [code, 'warning', meaning]),
].sort(([a, , x], [b, , y]) => (`${a} ${x}` < `${b} ${y}` ? -1 : 1));
const cells = [
  ['Code', 'Kind', 'Meaning'],
  ...rows.map(([code, kind, meaning]) => [`\`${code}\``, kind, meaning]),
];
writeBetween('codes', 'src/core/README.md', markdownTable(cells));
