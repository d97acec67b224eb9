import { expect, it } from 'vitest';
import { isOk, type Result } from '../../core/result.js';
import { lacksLlamaServer, llamaServer } from '../../engines/endpoint/llama-server.test-support.js';
import { runBench } from '../bench.js';
import type { BenchOptions } from '../options.js';
import { folder, models, writeSuite } from '../testing/driven-bench.js';

const skipped = lacksLlamaServer ? ` (skipped: ${lacksLlamaServer})` : '';
const suite = writeSuite('served', {
  models,
  design: [{ promptTokens: [8, 64], completionTokens: [8, 200] }],
  repetitions: 4,
});
const bench = (options: Partial<BenchOptions>) =>
  runBench({ suite, warmup: 2, command: 'test', tool: { version: '0', commit: null }, ...options });

const differs = ({ warnings }: Result) => warnings.filter(({ code }) => code === 'server-counters-differ');

it.skipIf(lacksLlamaServer)(
  `holds a server's own counters against what its answers had${skipped}`,
  { timeout: 60_000 },
  async () => {
    const server = await llamaServer(['-np', '2']);
    const asked = { endpoint: [server.url], metricsUrl: [`${server.origin}/metrics`], concurrency: 2 };
    try {
      const { result } = await bench({ ...asked, out: `${folder}/whole.json` });
      // The counters grew by just the tokens of the answers: a difference of one would be told.
      expect(result.requests.filter(isOk)).toHaveLength(16);
      expect(differs(result)).toEqual([]);
      const shown = result.timeline!.filter(({ sensor }) => sensor === 'server-metrics');
      expect(shown.map(({ quantity }) => quantity)).toContain('generatedTokens');

      const { result: cut } = await bench({ ...asked, deadlineMs: 40, out: `${folder}/cut.json` });
      const told = cut.requests.filter(isOk).reduce((sum, { tokens }) => sum + tokens.completion, 0);
      expect(cut.requests.filter((row) => !isOk(row)).length).toBeGreaterThan(0);
      const [warning] = differs(cut);
      const [, counted, answered] = /grew by (\d+) .* answers had (\d+)/.exec(warning!.message)!;
      expect(Number(answered)).toBe(told);
      expect(Number(counted)).toBeGreaterThan(told);
    } finally {
      await server.close();
    }
  },
);

it.skipIf(lacksLlamaServer)(
  `shares the CPU time of two servers each among its own requests${skipped}`,
  { timeout: 60_000 },
  async () => {
    const servers = [await llamaServer(['-np', '2']), await llamaServer(['-np', '2', '--alias', 'other'])];
    try {
      const { result } = await bench({
        ...{ endpoint: servers.map(({ url }) => url), concurrency: 4, repetitions: 40 },
        out: `${folder}/two.json`,
      });
      const accounts = ['cpuTime/server-0', 'cpuTime/server-1'].map((name) => result.conservation[name]!);
      const modelOf = new Map(result.cells.map(({ id, model }) => [id, model]));
      for (const [index, { total, requests, idle, unattributed }] of accounts.entries()) {
        expect(requests + idle + unattributed).toBe(total);
        const own = result.requests.filter(({ cell }) => modelOf.get(cell) === result.models[index]!.id);
        const sum = own.reduce((cpu, row) => cpu + (row.work?.cpuTime ?? 0), 0);
        expect(sum).toBeGreaterThan(0);
        expect(sum).toBe(requests);
      }
      expect(Object.keys(result.conservation).sort()).toEqual(['cpuTime/server-0', 'cpuTime/server-1']);
    } finally {
      for (const server of servers) await server.close();
    }
  },
);
