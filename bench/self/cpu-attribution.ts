import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOk, type Result } from '#tokenwork/core/result.js';
import type { EngineName } from '#tokenwork/engines/engine.js';
import { runBench } from '#tokenwork/run/bench.js';
import { median } from '#tokenwork/stats/quantile.js';
import { summarise } from './alternate.js';
import type { Figure, Measured } from './figure.js';

const rounds = 3;
const suite = {
  description: 'Requests for measuring the attribution of CPU time.',
  models: [{ model: 'smollm2-135m', dtype: 'q4' }],
  design: [{ promptTokens: [32, 128], completionTokens: [16, 48] }],
  repetitions: 2,
  concurrency: 1,
  seed: 1,
};

/** Runs made alternately alone and two at a time; figures are read from them, so they are made once for each engine. */
const measured = new Map<EngineName, Promise<{ alone: Result; together: Result }[]>>();

export const cpuAttribution: Figure[] = [
  {
    id: 'cpu-attributed',
    what: 'CPU time attributed to requests ÷ process CPU time over the same window, 2 concurrent requests, 1 thread each',
    target: [0.97, 1.01],
    comparison: 'within',
    measure: (say) => attributedShare('onnx', say),
  },
  {
    id: 'cpu-concurrent-over-alone',
    what: 'attributed CPU time of a request at concurrency 2 ÷ the same request alone (median over cells)',
    target: 1.1,
    comparison: '<=',
    async measure(say) {
      const runs = await pairs('onnx', say);
      return summarise(runs.flatMap(({ alone, together }) => cellRatios(together, alone)));
    },
  },
];

/** CPU time of concurrent requests ÷ that of the process. */
export async function attributedShare(engine: EngineName, say: (text: string) => void): Promise<Measured> {
  const runs = await pairs(engine, say);
  return summarise(
    runs.map(({ together }) => {
      const { cpuTime } = together.conservation;
      return cpuTime!.requests / cpuTime!.total;
    }),
  );
}

function pairs(
  engine: EngineName,
  say: (text: string) => void,
): Promise<{ alone: Result; together: Result }[]> {
  const known = measured.get(engine);
  if (known) return known;
  const pending = (async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'tokenwork-attribution-'));
    try {
      const suitePath = join(scratch, 'attribution.json');
      await writeFile(suitePath, JSON.stringify(suite));
      const run = async (concurrency: number) => {
        const out = join(scratch, 'result.json');
        const options = { suite: suitePath, device: 'cpu' as const, engine, concurrency, out };
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
  measured.set(engine, pending);
  return pending;
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
