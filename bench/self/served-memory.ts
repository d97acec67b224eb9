import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToFile } from '#tokenwork/run/bench.js';
import type { Figure } from './figure.js';

const requests = 100_000;
const rate = 1000;
const design = [{ promptTokens: [8, 16], completionTokens: [4, 8] }];
const cells = 4;
const serves = fileURLToPath(new URL('./endpoint-server.js', import.meta.url));

export const servedMemory: Figure = {
  id: 'served-memory',
  what: `peak memory in MB of the client of ${requests.toLocaleString('en')} requests at ${rate}/s to a server that answers at once, its result written`,
  target: 300,
  comparison: '<=',
  unavailable: existsSync('/proc/self/status') ? null : 'only Linux tells the peak',
  async measure(say) {
    const server = spawn(process.execPath, [serves, 'at-once'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const folder = mkdtempSync(join(tmpdir(), 'tokenwork-served-memory-'));
    try {
      const [port] = await once(server.stdout, 'data');
      const client = fork(fileURLToPath(import.meta.url), {
        env: { ...process.env, [asks]: JSON.stringify({ port: Number(port), folder }) },
      });
      let peak = 0;
      client.on('message', ({ phase, megabytes, seconds }: Told) => {
        peak = megabytes;
        say(`until the end of ${phase}: ${megabytes.toFixed(0)} MB, ${seconds.toFixed(0)} s`);
      });
      const [code] = await once(client, 'exit');
      if (code !== 0) throw new Error(`the client ended with ${code}`);
      return { value: peak, spread: null };
    } finally {
      server.stdin.end();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

interface Told {
  phase: 'sending' | 'folding and writing';
  /** The peak so far. */
  megabytes: number;
  seconds: number;
}

const asks = 'TOKENWORK_BENCH_ASKS';
if (process.env[asks] !== undefined) {
  const { port, folder } = JSON.parse(process.env[asks]) as { port: number; folder: string };
  let began = performance.now();
  const tell = (phase: Told['phase']) => {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))!;
    const seconds = (performance.now() - began) / 1000;
    began = performance.now();
    process.send!({ phase, megabytes: Number(kilobytes) / 1000, seconds } satisfies Told);
  };
  await runToFile({
    endpoint: [`http://127.0.0.1:${port}/v1`],
    api: 'completions',
    suite: { description: 'Many short requests.', models: [{ model: 'tiny' }], design },
    repetitions: requests / cells,
    rate,
    catchUp: true,
    out: join(folder, 'result.json'),
    onProgress: ({ done, total }) => {
      if (total > 0 && done === total) tell('sending');
    },
  });
  tell('folding and writing');
  process.disconnect();
}
