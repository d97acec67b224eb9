/** `npm run bench:self [-- --json] [-- --only ID]`: measures tokenwork itself and holds it to its targets. */
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import { exitCode } from '#tokenwork/core/codes.js';
import { messageOf } from '#tokenwork/core/errors.js';
import { arrivals } from './arrivals.js';
import { batchDecode } from './batch-decode.js';
import { buildTime } from './build-time.js';
import { contention } from './contention.js';
import { cpuAttribution } from './cpu-attribution.js';
import { decodeSpeed } from './decode-speed.js';
import { endpointStreams } from './endpoint-streams.js';
import { endpointTimes } from './endpoint-times.js';
import type { Figure, FigureResult } from './figure.js';
import { isMet } from './figure.js';
import { findingsSpeed } from './findings-speed.js';
import { gpuFigures } from './gpu/figures.js';
import { ledgerOverhead } from './ledger-overhead.js';
import { llama } from './llama.js';
import { memoryTraffic } from './memory-traffic.js';
import { pageOpen } from './page-open.js';
import { prefixCache } from './prefix-cache.js';
import { requestOverhead } from './request-overhead.js';
import { sampling } from './sampling.js';
import { servedAgainstLocal } from './served-against-local.js';
import { servedAttribution } from './served-attribution.js';
import { servedMemory } from './served-memory.js';
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
  contention,
  wholeCommand,
  ...llama,
  ...arrivals,
  endpointStreams,
  ...endpointTimes,
  ...servedAttribution,
  servedAgainstLocal,
  servedMemory,
  ...gpuFigures(),
];

const program = new Command('npm run bench:self --')
  .description(
    'Measures tokenwork itself and holds it to its targets. Wants a machine on which nothing else runs.',
  )
  .option('--json', 'print the figures as JSON')
  .addOption(
    new Option('--only <figure...>', 'measure these figures only').choices(figures.map(({ id }) => id)),
  )
  .exitOverride(({ exitCode: code }) => process.exit(code === 0 ? exitCode.done : exitCode.unusableInput))
  .parse();
const options = program.opts<{ json?: true; only?: string[] }>();
const wanted = figures.filter(({ id }) => options.only?.includes(id) ?? true);

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
