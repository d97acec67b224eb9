import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { summarise } from './alternate.js';
import type { Figure } from './figure.js';
import { smolLm2 } from './models.js';

const probe = fileURLToPath(new URL('./weights-probe.js', import.meta.url));

export const sharedWeights: Figure = {
  id: 'shared-weights',
  what: 'anonymous memory of the process with 2 workers ÷ with 1, SmolLM2-135M q4, each worker having run a request',
  target: 1.15,
  comparison: '<=',
  unavailable: process.platform === 'linux' ? null : 'anonymous memory is read from /proc',
  async measure(say) {
    await smolLm2('q4');
    const ratios: number[] = [];
    for (let round = 0; round < 3; round++) {
      const [one, two] = [await anonymousBytes(1), await anonymousBytes(2)];
      say(`${(one / 2 ** 20).toFixed(0)} MiB with one worker, ${(two / 2 ** 20).toFixed(0)} MiB with two`);
      ratios.push(two / one);
    }
    return summarise(ratios);
  },
};

/** In a process of its own: what one pool has touched must not count for the next. */
async function anonymousBytes(workers: number): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', probe, String(workers)]);
  return Number(stdout);
}
