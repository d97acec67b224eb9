import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOk, type Result } from '#tokenwork/core/result.js';
import { lacksLlamaServer, llamaServer } from '#tokenwork/engines/endpoint/llama-server.test-support.js';
import { runBench } from '#tokenwork/run/bench.js';
import { sharedPath } from '#tokenwork/shared-files.test-support.js';
import { median } from '#tokenwork/stats/quantile.js';
import { summarise } from './alternate.js';
import type { Figure } from './figure.js';

const rounds = 4;
const design = [{ promptTokens: [16, 128], completionTokens: [16, 128] }];
const suite = (model: string) => ({
  description: 'Requests that a server and this process are to run alike.',
  models: [{ model }],
  design,
  ...{ repetitions: 4, concurrency: 1, seed: 1 },
});

/** CPU time of the same requests on llama-server and in this process, by cell. */
export const servedAgainstLocal: Figure = {
  id: 'served-over-local-cpu',
  what: 'CPU time of a request, llama-server ÷ llama.cpp in this process, stories260K, 1 thread, one at a time (median by cell)',
  target: [0.8, 1.25],
  comparison: 'within',
  unavailable: lacksLlamaServer,
  async measure(say) {
    const scratch = await mkdtemp(join(tmpdir(), 'tokenwork-served-'));
    const model = sharedPath('models', 'stories260K', 'stories260K.gguf');
    const server = await llamaServer(['-np', '1', '-tb', '1']);
    try {
      const path = join(scratch, 'suite.json');
      await writeFile(path, JSON.stringify(suite(model)));
      const run = async (options: Partial<Parameters<typeof runBench>[0]>) => {
        const { result } = await runBench({
          ...{ suite: path, command: 'bench:self', tool: { version: '0', commit: null }, ...options },
          ...{ warmup: 2, out: join(scratch, `${Date.now()}.json`) },
        });
        return result;
      };
      const local = () => run({ engine: 'llama', threads: 1, ceilings: false });
      const served = () => run({ endpoint: [server.url], shape: model });
      const ratios = new Map<string, number[]>();
      let ms = '';
      for (let round = 0; round < rounds; round++) {
        // Each of them first in every other round.
        const first = round % 2 === 0 ? await served() : await local();
        const second = round % 2 === 0 ? await local() : await served();
        const [ofServer, ofProcess] = round % 2 === 0 ? [first, second] : [second, first];
        refuseOtherWork(ofServer, ofProcess);
        for (const [cell, cpuTime] of cpuByCell(ofServer)) {
          const own = cpuByCell(ofProcess).get(cell)!;
          ms = `${cell} took ${(cpuTime / 1e6).toFixed(1)} ms on the server, ${(own / 1e6).toFixed(1)} ms here`;
          ratios.set(cell, [...(ratios.get(cell) ?? []), cpuTime / own]);
        }
      }
      for (const [cell, of] of ratios) {
        say(`${cell}: ${of.map((ratio) => ratio.toFixed(3)).join(', ')}`);
      }
      say(`of such a small model much is the harness of either; ${ms}`);
      return summarise([...ratios.values()].map((of) => median(of)!));
    } finally {
      await server.close();
      await rm(scratch, { recursive: true });
    }
  },
};

/** A cell without its model's name, which is another on a server. */
const shapeOf = (cell: string) => cell.slice(cell.indexOf('/p') + 1);

function cpuByCell(result: Result): Map<string, number> {
  return new Map(
    result.cells.map(({ id }) => [
      shapeOf(id),
      median(
        result.requests.filter(isOk).flatMap(({ cell, work }) => (cell === id ? (work.cpuTime ?? []) : [])),
      )!,
    ]),
  );
}

/** What is derived from shape and tokens knows nothing of who computes: it must be the same to the last bit. */
function refuseOtherWork(served: Result, local: Result): void {
  const derived = ({ cells, requests }: Result) =>
    cells.map(({ id }) => {
      const [first] = requests.filter(isOk).filter(({ cell }) => cell === id);
      const { flops, memoryTraffic, kvBytes } = first!.work;
      if (flops === null || memoryTraffic === null) throw new Error(`nothing was derived for ${id}`);
      return JSON.stringify({ cell: shapeOf(id), flops, memoryTraffic, kvBytes });
    });
  const [theirs, ours] = [derived(served).sort(), derived(local).sort()];
  const at = ours.findIndex((own, index) => own !== theirs[index]);
  if (at >= 0 || ours.length !== theirs.length) {
    throw new Error(`derived work differs: ${theirs[at]} on the server, ${ours[at]} in this process`);
  }
}
