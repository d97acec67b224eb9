import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { probeDevice } from '../../engines/onnx/gpu/probe.js';
import { resolveModel } from '../../models/resolve.js';
import { gateModel } from './gate.js';

// On software Vulkan, GroupQueryAttention differs from the CPU from 32 tokens on; GPUs may agree.
const { error, adapters } = await probeDevice('webgpu');
const software = error === null && adapters[0]?.kind === 'software';
const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-gate-'));
afterAll(() => rmSync(cacheDirectory, { recursive: true, force: true }));
const stallTimeoutMs = 300_000;
const device = { device: 'webgpu', prefixCache: true } as const;

describe.skipIf(!software)('holding a model on a GPU against the CPU', () => {
  it(
    'builds a recipe anew in the graph variant that agrees and leaves nothing to the CPU, and says so',
    async () => {
      const folder = await resolveModel('tiny', { dtype: 'fp32', cacheDirectory });
      const gated = await gateModel({ spec: 'tiny', folder }, device, { cacheDirectory });
      expect([folder.graphVariant, gated.folder.graphVariant]).toEqual(['contrib', 'primitive']);
      expect(gated.onDevice.deviceParity).toMatchObject([
        { graphVariant: 'contrib', passed: false, worst: expect.stringContaining('48') },
        { graphVariant: 'primitive', passed: true },
      ]);
      expect(gated.warnings).toMatchObject([{ code: 'graph-variant-replaced' }]);
      expect(gated.folder.cost.parameters).toBe(folder.cost.parameters);
    },
    stallTimeoutMs,
  );

  it(
    'refuses a folder of the user’s own that differs, unless it is asked for',
    async () => {
      const built = await resolveModel('tiny', { dtype: 'fp32', cacheDirectory });
      const own = join(cacheDirectory, 'own');
      cpSync(built.directory, own, { recursive: true });
      const folder = await resolveModel(own, { dtype: 'fp32', cacheDirectory });
      await expect(gateModel({ spec: own, folder }, device, { cacheDirectory })).rejects.toMatchObject({
        code: 'device-parity',
        exitCode: 2,
        hint: expect.stringContaining('--allow-parity-mismatch'),
      });
      const allowed = await gateModel({ spec: own, folder }, device, {
        cacheDirectory,
        allowParityMismatch: true,
      });
      expect(allowed.folder).toBe(folder);
      expect(allowed.warnings).toMatchObject([{ code: 'parity-mismatch' }]);
    },
    stallTimeoutMs,
  );
});
