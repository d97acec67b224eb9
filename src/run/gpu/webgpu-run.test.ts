import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { isOk } from '../../core/result.js';
import { probeDevice } from '../../engines/onnx/gpu/probe.js';
import { journalPathOf } from '../../journal/append.js';
import { readJournal } from '../../journal/read.js';
import { runBench } from '../bench.js';
import type { BenchProgress } from '../options.js';

// Where no Vulkan device opens this is skipped: eval "$(scripts/software-vulkan.sh)" sets one up.
const { error } = await probeDevice('webgpu');
const directory = mkdtempSync(join(tmpdir(), 'tokenwork-webgpu-run-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const driver = fileURLToPath(new URL('../testing/drive-bench.mjs', import.meta.url));
const stallTimeoutMs = 600_000;

const quickly = { cacheDirectory: join(directory, 'cache'), ceilings: false };
function writeSuite(name: string, suite: object): string {
  const path = join(directory, `${name}.json`);
  writeFileSync(path, JSON.stringify({ description: 'a test', seed: 1, ...suite }));
  return path;
}
const suite = writeSuite('killed', {
  models: [{ model: 'tiny', dtype: 'fp32' }],
  roles: { classifier: { model: 'tiny-encoder', dtype: 'fp32' } },
  design: [
    { promptTokens: [8], completionTokens: [4] },
    { promptTokens: [8], completionTokens: [4], pipelines: ['guarded-chat'], draws: 1 },
  ],
  repetitions: 8,
});
const inAll = 2 * 8;

const tool = { version: '0', commit: null };

describe.skipIf(error !== null)('a run on a GPU', () => {
  // ONNX Runtime 1.30 has no kernel for MoE on WebGPU: github.com/microsoft/onnxruntime/pull/32447.
  it(
    'measures of several models those that run there, and leaves to the CPU none of their products',
    async () => {
      const mixed = writeSuite('mixed', {
        models: [
          { model: 'tiny-moe', dtype: 'fp32' },
          { model: 'tiny', dtype: 'fp32' },
        ],
        design: [{ promptTokens: [8], completionTokens: [2] }],
        repetitions: 1,
      });
      const out = join(directory, 'mixed-result.json');
      const { result } = await runBench({
        ...quickly,
        command: 'test',
        tool,
        suite: mixed,
        device: 'webgpu',
        out,
      });
      expect(result.models.map(({ id }) => id)).toEqual(['tiny']);
      expect(result.cells.map(({ model }) => model)).toEqual(['tiny']);
      expect(result.warnings).toContainEqual({
        code: 'model-left-out',
        message: expect.stringMatching(/^tiny-moe is left out: webgpu leaves 4 MoE of it to the CPU/),
        hint: expect.stringContaining('--model tiny-moe'),
      });
    },
    stallTimeoutMs,
  );

  it(
    'stops while its models are held against the CPU, with nothing left behind',
    async () => {
      const stop = new AbortController();
      const out = join(directory, 'stopped.json');
      const onProgress = ({ message }: BenchProgress) => {
        if (message.startsWith('holding')) stop.abort();
      };
      const stopped = {
        ...quickly,
        command: 'test',
        tool,
        suite,
        device: 'webgpu',
        out,
        onProgress,
      } as const;
      await expect(runBench({ ...stopped, signal: stop.signal })).rejects.toMatchObject({
        code: 'interrupted',
        exitCode: 3,
      });
      expect(readdirSync(directory).filter((name) => name.startsWith('stopped'))).toEqual([]);
    },
    stallTimeoutMs,
  );

  it(
    'that is killed goes on as it was: device, graphs and placement, with what had finished',
    async () => {
      const out = join(directory, 'result.json');
      const child = spawn(process.execPath, [
        driver,
        JSON.stringify({ ...quickly, suite, out, device: 'webgpu' }),
      ]);
      const ended = once(child, 'exit');
      let errors = '';
      child.stderr.on('data', (chunk) => {
        errors += chunk;
      });
      child.stdout.on('data', (chunk: Buffer) => {
        // In the middle of a request, with some behind it.
        if (/measuring [4-9]\//.test(chunk.toString())) child.kill('SIGKILL');
      });
      expect(await ended, errors).toEqual([null, 'SIGKILL']);
      const { header, entries } = readJournal(journalPathOf(out));
      const before = [...entries].flatMap((entry) => (entry.kind === 'request' ? [entry.row] : []));
      expect(before.length).toBeGreaterThan(0);
      expect(before.length).toBeLessThan(inAll);

      const { result } = await runBench({
        ...quickly,
        command: 'test',
        tool,
        resume: out,
      });
      expect(result.run).toMatchObject({ complete: true, plannedRequests: inAll });
      expect(result.requests).toHaveLength(inAll);
      expect(result.requests.filter((request) => !isOk(request))).toEqual([]);
      for (const { id, times } of before) expect(result.requests[id]!.times).toEqual(times);
      for (const [index, model] of result.models.entries()) {
        expect(model.engine.device).toBe('webgpu');
        expect(model).toMatchObject({
          graphVariant: header.models[index]!.graphVariant,
          placement: header.models[index]!.placement,
          deviceParity: header.models[index]!.deviceParity,
        });
        expect(model.deviceParity!.at(-1)).toMatchObject({ passed: true });
      }
      expect(result.warnings).toContainEqual(expect.objectContaining({ code: 'resumed' }));
    },
    stallTimeoutMs,
  );
});
