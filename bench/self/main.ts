/** `npm run bench:self [-- --json] [-- --only ID]`: measures tokenwork itself and holds it to its targets. */
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { exitCode, messageOf } from '#tokenwork/core/errors.js';
import { batchDecode } from './batch-decode.js';
import { buildTime } from './build-time.js';
import { cpuAttribution } from './cpu-attribution.js';
import { decodeSpeed } from './decode-speed.js';
import type { Figure, FigureResult } from './figure.js';
import { isMet } from './figure.js';
import { findingsSpeed } from './findings-speed.js';
import { gpuFigures } from './gpu.js';
import { ledgerOverhead } from './ledger-overhead.js';
import { memoryTraffic } from './memory-traffic.js';
import { pageOpen } from './page-open.js';
import { prefixCache } from './prefix-cache.js';
import { requestOverhead } from './request-overhead.js';
import { sampling } from './sampling.js';
import { sharedWeights } from './shared-weights.js';
import { speculation } from './speculation.js';
import { weightsIndependence } from './weights-independence.js';
import { wholeCommand } from './whole-command.js';

const figures: Figure[] = [
  ...decodeSpeed,
  memoryTraffic,
  requestOverhead,
  ledgerOverhead,
  ...sampling,
  ...cpuAttribution,
  sharedWeights,
  buildTime,
  prefixCache,
  batchDecode,
  ...speculation,
  weightsIndependence,
  ...findingsSpeed,
  ...pageOpen,
  wholeCommand,
  ...gpuFigures(),
];

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, only: { type: 'string', multiple: true } },
});
const wanted = options.only ? figures.filter(({ id }) => options.only?.includes(id)) : figures;
if (wanted.length === 0) {
  process.stderr.write(`error: no such figure.\n  Use one of ${figures.map(({ id }) => id).join(', ')}.\n`);
  process.exit(2);
}

const results: FigureResult[] = [];
for (const { measure, unavailable, ...figure } of wanted) {
  try {
    const reason = typeof unavailable === 'function' ? await unavailable() : unavailable;
    if (reason) {
      process.stderr.write(`${figure.id}: left out, ${reason}\n`);
      continue;
    }
    process.stderr.write(`${figure.id} …\n`);
    const measured = await measure((text) => process.stderr.write(`  ${text}\n`));
    results.push({ ...figure, ...measured, met: isMet(measured.value, figure) });
  } catch (thrown) {
    // The other figures are not lost with it.
    process.stderr.write(`${figure.id}: failed, ${messageOf(thrown)}\n`);
    process.exitCode = exitCode.incomplete;
  }
}

if (options.json) {
  process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
} else {
  const table = new Table({ head: ['figure', 'value', 'quartiles', 'target', 'met'], style: { head: [] } });
  for (const result of results) {
    table.push([
      result.what,
      display(result.value),
      result.spread ? result.spread.map(display).join(' – ') : '–',
      Array.isArray(result.target) ? result.target.join(' – ') : `${result.comparison} ${result.target}`,
      result.met ? 'yes' : 'NO',
    ]);
  }
  process.stdout.write(`${table.toString()}\n`);
}

function display(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
