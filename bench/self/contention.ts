import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareResults } from '#tokenwork/analysis/compare/compare.js';
import { isChange } from '#tokenwork/analysis/compare/verdicts.js';
import type { Result } from '#tokenwork/core/result.js';
import { runBench } from '#tokenwork/run/bench.js';
import type { Figure } from './figure.js';

const pairs = 40;
const suite = {
  description: 'Six cells of a tiny model.',
  models: [{ model: 'tiny', dtype: 'fp32' }],
  design: [{ promptTokens: [32, 128, 256], completionTokens: [8, 32] }],
  repetitions: 5,
  concurrency: 1,
  seed: 1,
};

/** Runs of one code beside a busy loop on each core; of neighbours one is the baseline and one the candidate. */
async function runsUnderLoad(count: number, say: (text: string) => void): Promise<Result[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'tokenwork-contention-'));
  const suiteFile = join(scratch, 'contention.json');
  await writeFile(suiteFile, JSON.stringify(suite));
  const loops = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  try {
    const runs: Result[] = [];
    for (let k = 0; k < count; k++) {
      const { result } = await runBench({
        ...{ suite: suiteFile, device: 'cpu', warmup: 1, ceilings: false },
        ...{
          out: join(scratch, `${k}.json`),
          command: 'npm run bench:self',
          tool: { version: '', commit: null },
        },
      });
      runs.push(result);
      say(`run ${k + 1} of ${count}`);
    }
    return runs;
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
    await rm(scratch, { recursive: true });
  }
}

function claimsAChange(baseline: Result[], candidate: Result[]): boolean {
  const [comparison] = compareResults(baseline, [candidate]);
  const means = Object.entries(comparison!.geomean).map(([metric, { verdict }]) => ({ metric, verdict }));
  return [...comparison!.cells, ...means].some((row) => isChange(row, 'more') || isChange(row, 'less'));
}

/** Pairs of `perSide` runs a side, A B or A B B A, each beginning two runs after the one before it. */
function falseShare(runs: readonly Result[], perSide: 1 | 2): number {
  const wrong = Array.from({ length: pairs }, (_, pair) => {
    const [a, b, ...rest] = runs.slice(2 * pair, 2 * pair + 2 * perSide) as [Result, Result, ...Result[]];
    return claimsAChange([a, ...rest.slice(1)], [b, ...rest.slice(0, 1)]);
  }).filter(Boolean);
  return wrong.length / pairs;
}

export const contention: Figure = {
  id: 'false-verdicts-under-load',
  what: 'one version compared with itself beside a busy loop on each core, 40 pairs: share called a change (the larger of A B and A B B A)',
  target: 0.05,
  comparison: '<=',
  async measure(say) {
    const runs = await runsUnderLoad(2 * pairs + 2, say);
    const shares = [falseShare(runs, 1), falseShare(runs, 2)] as const;
    return { value: Math.max(...shares), spread: [Math.min(...shares), Math.max(...shares)] };
  },
};
