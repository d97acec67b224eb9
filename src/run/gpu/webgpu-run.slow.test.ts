import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isOk } from '../../core/result.js';
import { probeDevice } from '../../engines/onnx/gpu/probe.js';
import { loadSuite } from '../../workload/suite.js';
import { runBench } from '../bench.js';

// As in webgpu-run.test.ts, whose shaders are fewer.
const { error } = await probeDevice('webgpu');
const directory = mkdtempSync(join(tmpdir(), 'tokenwork-webgpu-cached-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(error !== null)('a run on a GPU', () => {
  it('measures every cell of the suite on cached prefixes, its cache on the GPU, with books that balance', async () => {
    const { design } = await loadSuite('cache-hit');
    const suite = join(directory, 'cache-hit.json');
    writeFileSync(
      suite,
      JSON.stringify({
        description: 'a test',
        models: [{ model: 'tiny', dtype: 'fp32' }],
        design: design.filter(({ pipelines }) => pipelines?.includes('agent')),
        repetitions: 1,
        seed: 1,
      }),
    );
    const { result } = await runBench({
      cacheDirectory: join(directory, 'cache'),
      ceilings: false,
      command: 'test',
      tool: { version: '0', commit: null },
      suite,
      device: 'webgpu',
      out: join(directory, 'result.json'),
    });
    expect(result.models[0]!.deviceParity!.at(-1)).toMatchObject({ passed: true });
    // 256 tokens of system prompt, a turn of 64 + 16 and the prompt's 64; blocks of 16.
    const cached = { warm: 384, partial: 336, cold: 0, evicted: 0 };
    const requests = result.requests.filter(isOk);
    expect(requests).toHaveLength(Object.keys(cached).length);
    for (const { cell, tokens, stages } of requests) {
      const { factors } = result.cells.find(({ id }) => id === cell)!;
      const found = cached[factors['prefill.cache'] as keyof typeof cached];
      expect(tokens).toMatchObject({ prompt: 400, completion: 16, cached: found });
      const caching = stages!.filter(({ type }) => type === 'cache');
      expect(caching.map(({ cached: read }) => read ?? 0)).toEqual([found, 0]);
    }
    const codes = result.warnings.map(({ code }) => code);
    expect(codes).not.toContain('ledger-mismatch');
    expect(codes).not.toContain('beyond-device-memory');
  }, 600_000);
});
