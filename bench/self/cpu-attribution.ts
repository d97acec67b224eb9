import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOk, type Result } from '#tokenwork/core/result.js';
import { runBench } from '#tokenwork/run/bench.js';
import { median } from '#tokenwork/stats/quantile.js';
import { summarise } from './alternate.js';
import type { Figure } from './figure.js';

const rounds = 3;
const suite = {
  description: 'Requests for measuring the attribution of CPU time.',
  models: [{ model: 'smollm2-135m', dtype: 'q4' }],
  design: [{ promptTokens: [32, 128], completionTokens: [16, 48] }],
  repetitions: 2,
  concurrency: 1,
  seed: 1,
};

/** Runs made alternately alone and two at a time; both figures are read from them, so they are made once. */
let measured: Promise<{ alone: Result; together: Result }[]> | undefined;

export const cpuAttribution: Figure[] = [
  {
    id: 'cpu-attributed',
    what: 'CPU time attributed to requests ÷ process CPU time over the same window, 2 concurrent requests, 1 thread each',
    target: [0.97, 1.01],
    comparison: 'within',
    async measure(say) {
      const runs = await pairs(say);
      return summarise(
        runs.map(({ together }) => {
          const { cpuTime } = together.conservation;
          return cpuTime!.requests / cpuTime!.total;
        }),
      );
    },
  },
  {
    id: 'cpu-concurrent-over-alone',
    what: 'attributed CPU time of a request at concurrency 2 ÷ the same request alone (median over cells)',
    target: 1.1,
    comparison: '<=',
    async measure(say) {
      const runs = await pairs(say);
      return summarise(runs.flatMap(({ alone, together }) => cellRatios(together, alone)));
    },
  },
];

function pairs(say: (text: string) => void): Promise<{ alone: Result; together: Result }[]> {
  measured ??= (async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'tokenwork-attribution-'));
    try {
      const suitePath = join(scratch, 'attribution.json');
      await writeFile(suitePath, JSON.stringify(suite));
      const run = async (concurrency: number) => {
        const options = { suite: suitePath, concurrency, out: join(scratch, 'result.json') };
        const tool = { version: '0', commit: null };
        return (await runBench({ ...options, command: 'bench:self', tool })).result;
      };
      const runs: { alone: Result; together: Result }[] = [];
      for (let round = 0; round < rounds; round++) {
        say(`round ${round + 1} of ${rounds}`);
        runs.push({ alone: await run(1), together: await run(2) });
      }
      return runs;
    } finally {
      await rm(scratch, { recursive: true });
    }
  })();
  return measured;
}

function cellRatios(candidate: Result, baseline: Result): number[] {
  const medianOf = (result: Result, cell: string) =>
    median(
      result.requests.filter(isOk).flatMap((row) => (row.cell === cell ? (row.work.cpuTime ?? []) : [])),
    );
  return baseline.cells.flatMap(({ id }) => {
    const [before, after] = [medianOf(baseline, id), medianOf(candidate, id)];
    return before === null || after === null ? [] : [after / before];
  });
}
