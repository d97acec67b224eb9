/** Opens a pool of as many workers as the argument says, runs a request in each, prints RssAnon in bytes. */
import { readFileSync } from 'node:fs';
import { openModels } from '#tokenwork/run/local/open-models.js';
import { openPool } from '#tokenwork/run/workers/pool.js';
import type { RequestSpec } from '#tokenwork/stages/request-spec.js';
import { smolLm2 } from './models.js';

const workers = Number(process.argv[2]);
const folder = await smolLm2('q4');
const model = { id: 'model', kind: 'decoder' as const, roles: ['chat'], folder };
const sessions = await openModels([model], [], {
  backend: 'native',
  device: 'cpu',
  threads: 1,
});
const originNs = process.hrtime.bigint();
const pool = await openPool({ workers, models: sessions.workerModels, originNs });
const request: RequestSpec = {
  prompt: { kind: 'synthetic', tokens: 64, seed: 1 },
  completionTokens: 16,
  batch: 1,
  stop: 'forced',
  sampling: { kind: 'greedy' },
};
for (const slot of pool.slots) {
  const { row } = await slot.run('model', request, { deadlineMs: null, stallTimeoutMs: 60_000 });
  if (row.outcome.status !== 'ok') throw new Error(row.outcome.message);
}
globalThis.gc?.();
const [, kibibytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
process.stdout.write(String(Number(kibibytes) * 1024));
await pool.close();
sessions.close();
