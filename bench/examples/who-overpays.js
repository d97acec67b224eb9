// Lists the requests that pay farthest from their CPU time and writes the page: node who-overpays.js RESULT.json [PAGE.html]
import { writeFile } from 'node:fs/promises';
import { findingsOf, readResult, renderPage } from 'tokenwork';

const [path, page] = process.argv.slice(2);
const result = await readResult(path);
const { cpuTime } = findingsOf(result).uniformity;
if (cpuTime === undefined) throw new Error(`${path} holds no CPU time`);
for (const { cell, paysTimesItsCost, overpaidShare } of cpuTime.worstCells) {
  const share = `${(100 * Math.abs(overpaidShare)).toFixed(1)}% of the whole bill`;
  const who = overpaidShare > 0 ? `overpays ${share}` : `is paid ${share} by the others`;
  console.log(`${cell} ${who}: it pays ${paysTimesItsCost?.toFixed(2) ?? '?'} times its cost`);
}
if (page !== undefined) await writeFile(page, await renderPage([result]));
