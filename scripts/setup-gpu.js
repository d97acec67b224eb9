// Installs the package of llama.cpp that fits this machine's GPU, and only that: npm run setup:gpu -- --help
//
// Into the cache, as `npm install` does nothing for an optional peer and `npm ci` empties node_modules. Needs the
// build (npm ci).
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { installCommand, probeLlama } from '../dist/engines/llama/installation.js';
import { packageCache, thisInstallation } from '../dist/engines/llama/packages.js';
import { chooseSetup } from '../dist/engines/llama/setup.js';

const help = `Usage: npm run setup:gpu -- [options]

Looks at the NVIDIA driver, CUDA's libraries and Vulkan, installs the package of llama.cpp that fits, opens it, and
says what else is needed: CUDA 13 (driver 580 or newer) or CUDA 12 (525 or newer) where the driver and the libraries
are here, else Vulkan (AMD, Intel and NVIDIA; nothing but the driver and its loader is needed). Vulkan's package is
71 MB, CUDA 13's 181 MB, CUDA 12's 374 MB. Macs with Apple silicon need none of them.

  --check            installs nothing
  --device DEVICE    cuda, vulkan, metal or cpu, whatever is found here
  --onnx-cuda        the CUDA provider of ONNX Runtime in place of llama.cpp: needs CUDA 12 and cuDNN 9
  --help

Packages go into the cache folder (TOKENWORK_CACHE), which npm ci leaves alone.
Exits with 0 where the device works, 2 where there is none to be had or the command is wrong, 3 where something is
missing, naming it.`;

const options = readOptions();
if (options.help) {
  console.log(help);
  process.exit(0);
}
if (options['onnx-cuda']) await import('./setup-onnx-cuda.js');
else await setUp();

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        check: { type: 'boolean', default: false },
        device: { type: 'string', default: 'auto' },
        'onnx-cuda': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (!['auto', 'cpu', 'cuda', 'metal', 'vulkan'].includes(values.device))
      throw new Error(`no device is called "${values.device}"`);
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${help}`);
    process.exit(2);
  }
}

async function setUp() {
  const setup = chooseSetup(options.device);
  for (const line of setup.seen) console.log(line);
  console.log(`Fits: ${setup.device}, as ${setup.reason}`);
  if (setup.device === 'cpu' && options.device !== 'cpu') {
    console.error('Nothing is to be set up for a GPU; models run on the CPU.');
    process.exit(2);
  }
  if (setup.install.length > 0 && !options.check) install(setup.install);
  const { available, adapter, file, hint } = await probeLlama(setup.device);
  for (const { what, remedy } of setup.needs) console.error(`Needed: ${what}\n  ${remedy}`);
  if (!available) {
    if (setup.needs.length === 0) console.error(`llama.cpp does not open on ${setup.device}\n  ${hint}`);
    else if (file === null)
      console.error(`Not installed\n  ${installCommand(setup.device, thisInstallation())}`);
    process.exit(3);
  }
  console.log(`llama.cpp works on ${adapter?.name ?? 'the CPU'}: ${file}`);
  if (hint !== null) console.log(`  ${hint}`);
}

function install(packages) {
  const folder = packageCache();
  mkdirSync(folder, { recursive: true });
  console.log(`Installing ${packages.join(' ')} into ${folder} …`);
  const flags = ['--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel', 'error'];
  const npm = process.env.npm_execpath;
  const [program, ...first] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  const { status, error } = spawnSync(program, [...first, 'install', ...flags, ...packages], {
    cwd: folder,
    stdio: 'inherit',
    shell: process.platform === 'win32' && program === 'npm',
  });
  if (status === 0) return;
  console.error(
    `npm could not install ${packages.join(' ')}: ${error?.message ?? `it ended with ${status}`}\n` +
      '  See whether the registry can be reached (HTTPS_PROXY, npm config get registry), then run this again.',
  );
  process.exit(3);
}
