// Installs what onnxruntime-node needs for CUDA and says what else is missing: npm run setup:gpu -- --onnx-cuda
//
// The provider itself comes from onnxruntime-node's own installer (from NuGet, some hundred MB), which npm no
// longer runs at install; CUDA 12, cuDNN 9 and the driver are the system's. With --check nothing is
// downloaded. Exits with 0 where everything is there, 2 where CUDA is not to be had on this platform, and 3
// where something is missing, naming it. Needs the build (npm ci).
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { deviceLibraries } from '../dist/engines/onnx/gpu/libraries.js';
import { probeDevice } from '../dist/engines/onnx/gpu/probe.js';

const checkOnly = process.argv.includes('--check');
if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(
    `onnxruntime-node brings a CUDA provider for Linux on x64 only, and this is ${process.platform}/${process.arch}.\n` +
      'Nothing is to be set up for WebGPU: tokenwork bench --device webgpu',
  );
  process.exit(2);
}

const isProvider = ({ part }) => part.startsWith('CUDA provider');
const present = () =>
  deviceLibraries('cuda')
    .filter(isProvider)
    .every(({ found }) => found);
if (!checkOnly && !present()) install();

const libraries = deviceLibraries('cuda');
for (const { name, part, found } of libraries)
  console.log(`${found ? 'found  ' : 'MISSING'}  ${name}  (${part})`);
const missing = libraries.filter(({ found }) => !found);
if (missing.length > 0) {
  console.error(`\nMissing: ${missing.map(({ name }) => name).join(', ')}`);
  for (const remedy of new Set(missing.map(({ remedy }) => remedy))) console.error(`  ${remedy}`);
  process.exit(3);
}
const { error } = await probeDevice('cuda');
if (error !== null) {
  console.error(`\n${error.message}\n  ${error.hint}`);
  process.exit(3);
}
console.log('\nCUDA works: tokenwork bench --device cuda');

function install() {
  const script = join(
    dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
    'script/install.js',
  );
  console.log('Installing the CUDA provider of onnxruntime-node …');
  // .npmrc has the installer skipped, which `npm run` passes on; and of a name such as cuda12 the installer of
  // 1.30 makes nothing. `true` overrides both and installs what the platform has, which is CUDA 12.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'true' };
  const { status, stderr } = spawnSync(process.execPath, [script], {
    env,
    stdio: ['inherit', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  if (status === 0 && present()) return;
  const reason = /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim().split('\n').at(-1);
  console.error(
    `The installer of onnxruntime-node failed: ${reason}\n` +
      '  It downloads from api.nuget.org: see whether that can be reached (HTTPS_PROXY is honoured), then run npm run setup:gpu -- --onnx-cuda again.\n',
  );
}
