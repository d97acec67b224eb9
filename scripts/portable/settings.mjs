// Prints, as commands of a shell, what a host's environment needs before tokenwork starts from its bundle.
import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const needs = JSON.parse(readFileSync(join(here, 'launch/needs.json'), 'utf8'));
const environment = { ...process.env };

process.report.excludeNetwork = true;
const glibc = process.report.getReport().header.glibcVersionRuntime;
if (isOlder(glibc, needs.llama))
  warn(
    `llama.cpp needs glibc ${needs.llama}, and this host has ${glibc}: ONNX models run, GGUF models do not.`,
  );

if (lacksSymbols()) {
  if (isOlder(glibc, needs.stdcxx))
    warn(
      `llama.cpp needs a libstdc++ with GLIBCXX_${needs.symbols}, and this host's is older; that of the bundle needs glibc ${needs.stdcxx}, and here is ${glibc}.`,
    );
  else prepend('lib/stdcxx');
}
if (needs.vulkan && !loads('libvulkan.so.1')) prepend('lib/vulkan');

environment.HOME ??= usersHome();
environment.TOKENWORK_CACHE ??= firstWritable([
  join(here, 'cache'),
  join(environment.XDG_CACHE_HOME || join(environment.HOME, '.cache'), 'tokenwork'),
  join(tmpdir(), 'tokenwork'),
]);

for (const name of ['HOME', 'TOKENWORK_CACHE', 'LD_LIBRARY_PATH']) {
  const value = environment[name];
  if (value !== process.env[name]) console.log(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
}

function warn(message) {
  console.error(`tokenwork: ${message}`);
}

function isOlder(version, than) {
  const [major, minor] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = than.split('.').map(Number);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

/** Whether the libstdc++ that this process runs on is older than what llama.cpp was built with. */
function lacksSymbols() {
  try {
    const file = /\s(\/\S*libstdc\+\+\S*)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1];
    return file !== undefined && !readFileSync(file, 'latin1').includes(`GLIBCXX_${needs.symbols}\0`);
  } catch {
    return false; // Without /proc it cannot be told: a library that does not load will say so itself.
  }
}

function loads(library) {
  try {
    createRequire(join(here, 'app/package.json'))('koffi').load(library);
    return true;
  } catch {
    return false; // The bundle's own loader stands in.
  }
}

function prepend(folder) {
  const path = join(here, folder);
  const before = environment.LD_LIBRARY_PATH?.split(':') ?? [];
  if (!before.includes(path)) environment.LD_LIBRARY_PATH = [path, ...before.filter(Boolean)].join(':');
}

/** Without HOME, a user that /etc/passwd does not list has no home, and Node throws. */
function usersHome() {
  try {
    return homedir();
  } catch {
    return tmpdir();
  }
}

function firstWritable(folders) {
  for (const folder of folders) {
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
      return folder;
    } catch {
      // The next may do; the last is named in the failure that follows.
    }
  }
  return folders.at(-1);
}
