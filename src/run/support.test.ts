import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { TokenworkError } from '../core/errors.js';
import { LLAMA_VERSION, packageFor } from '../engines/llama/packages.js';
import { libraryPath, shippedBuilds } from '../engines/onnx/native/library.js';
import { openSensors } from '../sampling/opened-sensor.js';
import { machineSensors } from '../sensors/catalogue.js';
import { fakeClock } from '../sensors/sensor-probe.test-support.js';
import { supportTable } from './support.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the table of systems', () => {
  it('is documented as it is', () => {
    const script = join(root, 'scripts/document-support.js');
    expect(spawnSync(process.execPath, [script, '--check']).status).toBe(0);
  });

  it('names the builds that onnxruntime-node ships, and which of them have WebGPU', () => {
    const bin = join(
      dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
      'bin/napi-v6',
    );
    const shipped = readdirSync(bin).flatMap((system) =>
      readdirSync(join(bin, system)).map((arch) => [system, arch] as const),
    );
    expect(shipped.map((pair) => pair.join('/')).sort()).toEqual(Object.keys(shippedBuilds).sort());
    for (const [system, arch] of shipped) {
      const library = readFileSync(libraryPath(system as NodeJS.Platform, arch));
      expect(library.includes('WebGpuProviderFactory'), `${system}/${arch}`).toBe(
        shippedBuilds[`${system}/${arch}`]!.webgpu,
      );
    }
  });

  it('names the packages of llama.cpp that the manifest allows', () => {
    const { optionalDependencies, peerDependencies } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    );
    const allowed = { ...optionalDependencies, ...peerDependencies };
    const [, ...rows] = supportTable();
    expect(rows.map(([name, , gguf]) => [name, gguf])).toContainEqual(['macOS, Intel', 'yes']);
    for (const [system, arch] of [
      ['linux', 'x64'],
      ['linux', 'arm64'],
      ['darwin', 'arm64'],
      ['darwin', 'x64'],
      ['win32', 'x64'],
      ['win32', 'arm64'],
    ])
      for (const device of ['cpu', 'cuda', 'vulkan', 'metal'] as const) {
        const name = packageFor(device, system, arch);
        if (name !== null) expect(allowed[name], name).toBe(LLAMA_VERSION);
      }
  });
});

it('a system without ONNX Runtime is told what runs there', () => {
  const refusal = (platform: NodeJS.Platform, arch: string) => {
    try {
      return libraryPath(platform, arch);
    } catch (thrown) {
      return thrown as TokenworkError;
    }
  };
  expect(refusal('darwin', 'x64')).toMatchObject({
    code: 'native-unavailable',
    message: expect.stringMatching(/ships no library for darwin\/x64, but for linux\/x64, .*darwin\/arm64/),
    hint: expect.stringContaining('--engine llama'),
  });
  expect(refusal('freebsd', 'x64')).toMatchObject({ hint: expect.stringContaining('tokenwork report') });
});

it('sensors of another system are not opened, and say where they are', async () => {
  const { records } = await openSensors(machineSensors(), fakeClock(), { platform: 'darwin', arch: 'arm64' });
  const away = records.filter(({ reason }) => reason === 'not-applicable').map(({ name }) => name);
  expect(away).toEqual(
    expect.arrayContaining(['rapl', 'pressure', 'nvml', 'nvidia-smi', 'amd', 'cpu-quota']),
  );
  expect(records.find(({ name }) => name === 'process')).toMatchObject({ available: true });
  expect(records.find(({ name }) => name === 'rapl')!.hint).toBe('It is read on linux/x64 alone.');
});
