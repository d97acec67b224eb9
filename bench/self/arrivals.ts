import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import type { ArrivalsRecord } from '#tokenwork/core/records/arrivals.js';
import { arrivalsRecord } from '#tokenwork/run/endpoint/arrivals-report.js';
import { openLoop } from '#tokenwork/run/endpoint/dispatch.js';
import { arrivalTimes } from '#tokenwork/workload/arrivals/arrival-times.js';
import type { Figure } from './figure.js';

const rate = 200;
const seconds = 20;
const process200 = { kind: 'poisson', rate } as const;

/** Figures of one run serve both lines. */
let measured: Promise<ArrivalsRecord> | null = null;

const measureOnce = () => {
  measured ??= send();
  return measured;
};

export const arrivals: Figure[] = [
  {
    id: 'arrival-lag',
    what: `p99 of sent − scheduled in ms, ${rate} requests/s Poisson for ${seconds} s, against a server that answers at once`,
    target: 2,
    comparison: '<=',
    async measure(say) {
      const { lag, spinShare } = await measureOnce();
      say(
        `median ${ms(lag!.p50)} ms, largest ${ms(lag!.max)} ms, ${(100 * spinShare).toFixed(0)}% of a core spun, load average ${loadavg()[0]!.toFixed(1)}`,
      );
      return { value: lag!.p99 / 1e6, spread: null };
    },
  },
  {
    id: 'arrival-rate',
    what: 'achieved ÷ offered rate of the same',
    target: [0.995, 1.005],
    comparison: 'within',
    async measure(say) {
      const { offeredRate, achievedRate, unsent } = await measureOnce();
      say(
        `${achievedRate!.toFixed(2)} of ${offeredRate!.toFixed(2)} requests/s, unsent ${JSON.stringify(unsent)}`,
      );
      return { value: achievedRate! / offeredRate!, spread: null };
    },
  },
];

const ms = (ns: number) => (ns / 1e6).toFixed(2);

async function send(): Promise<ArrivalsRecord> {
  const server = fork(fileURLToPath(import.meta.url), { env: { ...process.env, [serves]: '1' } });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      server.once('message', resolve as (port: unknown) => void);
      server.once('error', reject);
    });
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 64 });
    const once = async () => {
      const { body } = await pool.request({ method: 'POST', path: '/', body: '{}' });
      await body.dump();
    };
    for (let warmUp = 0; warmUp < 200; warmUp++) await once();
    const offsets = arrivalTimes(process200, rate * seconds, { seed: 1 });
    const tally = await openLoop(offsets, { send: once });
    await pool.close();
    return arrivalsRecord(process200, tally);
  } finally {
    server.kill();
  }
}

const serves = 'TOKENWORK_BENCH_SERVES';
if (process.env[serves] !== undefined) {
  const server = createServer((request, response) => {
    request.resume();
    response.end('{}');
  });
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
}
