import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Figure } from './figure.js';

const probe = fileURLToPath(new URL('./findings-probe.js', import.meta.url));

interface Probed {
  seconds: number;
  cells: number;
  metrics: number;
  peakBytes: number;
}

export const findingsSpeed: Figure[] = [
  {
    id: 'findings-100k',
    what: 'findings from a trace of 100,000 requests, seconds',
    target: 5,
    comparison: '<=',
    measure: async (say) => ({ value: (await probed(100_000, say)).seconds, spread: null }),
  },
  {
    id: 'findings-100k-memory',
    what: 'peak memory of drawing them, the result included, GB',
    target: 1,
    comparison: '<=',
    measure: async (say) => ({ value: (await probed(100_000, say)).peakBytes / 1e9, spread: null }),
  },
  {
    id: 'findings-1m',
    what: 'findings from a trace of 1,000,000 requests, seconds',
    target: 60,
    comparison: '<=',
    measure: async (say) => ({ value: (await probed(1_000_000, say)).seconds, spread: null }),
  },
];

async function probed(requests: number, say: (text: string) => void): Promise<Probed> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--max-old-space-size=8192',
    probe,
    String(requests),
  ]);
  const { seconds, cells, metrics, peakBytes } = JSON.parse(stdout) as Probed;
  say(
    `${requests} requests in ${cells} cells, ${metrics} metrics: ${seconds.toFixed(1)} s, ${(peakBytes / 1e9).toFixed(2)} GB`,
  );
  return { seconds, cells, metrics, peakBytes };
}
