/**
 * Measures all that is to be known of a GPU host with one command, of a portable bundle or of a clone after
 * `npm run bench:self -- --help`:
 *
 *   ./measure-gpu OUT [--minutes 8] [--small]
 *
 * Every step is a process with a limit of its own and writes into OUT as it ends; what there is no time for is left
 * out, and `summary.json` says so. `--small` measures tiny shapes, to rehearse on a software GPU.
 */
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { readResultFile } from '#tokenwork/cli/result-file.js';
import { exitCode } from '#tokenwork/core/codes.js';
import { runStep } from './step.js';
import { type Road, stepsFor } from './steps.js';
import { type Reached, reachedIn } from './summary.js';

const command = new Command('measure-gpu')
  .description(
    'Measure all that is to be known of a GPU host: sensors, energy, speed, suites. OUT is a folder for the results.',
  )
  .argument('<out>', 'the folder to write to')
  .option('--minutes <n>', 'what it may take in all; what there is no time for is left out', '8')
  .option('--small', 'tiny shapes, to rehearse on a software GPU', false)
  .exitOverride(({ exitCode: code }) => process.exit(code === 0 ? 0 : exitCode.unusableInput))
  .parse();
const values = command.opts<{ minutes: string; small: boolean }>();
const [out] = command.args;
const minutes = Number(values.minutes);
if (out === undefined || !(minutes > 0)) {
  process.stderr.write('--minutes is a number above 0, such as --minutes 8.\n');
  process.exit(exitCode.unusableInput);
}
mkdirSync(out, { recursive: true });

const beganMs = performance.now();
const leftSeconds = () => 60 * minutes - (performance.now() - beganMs) / 1000;
const done: { name: string; outcome: string; seconds: number; reached?: Reached[] }[] = [];

async function take(name: string, command: readonly string[], mostSeconds: number): Promise<boolean> {
  const seconds = Math.min(mostSeconds, leftSeconds());
  const log = createWriteStream(join(out!, `${name}.log`));
  const began = performance.now();
  const outcome = seconds < leastSeconds ? 'left out: no time' : await runStep(command, { seconds, log });
  const took = (performance.now() - began) / 1000;
  const result = join(out!, `${name}.json`);
  const reached = existsSync(result) ? reachedIn(await readResultFile(result)) : undefined;
  done.push({ name, outcome, seconds: Number(took.toFixed(1)), ...(reached && { reached }) });
  process.stderr.write(
    `${name}: ${outcome} (${took.toFixed(0)} s, ${Math.max(0, leftSeconds()).toFixed(0)} s left)\n`,
  );
  for (const line of reached ?? []) process.stderr.write(`  ${lineOf(line)}\n`);
  writeFileSync(join(out!, 'summary.json'), `${JSON.stringify({ minutes, steps: done }, null, 2)}\n`);
  return outcome === 'done';
}
const leastSeconds = 5;

await take('doctor', ['doctor', '--json'], 60);
for (const { name, command, mostSeconds } of stepsFor(roadsOf(join(out, 'doctor.log')), out, values.small))
  await take(name, command, mostSeconds);
if (!done.some(({ name, outcome }) => name.startsWith('bench') && outcome === 'done'))
  process.exitCode = exitCode.incomplete;

function lineOf({
  cell,
  prefillTokensPerSecond,
  prefillMfu,
  decodeTokensPerSecond,
  decodeMbu,
}: Reached): string {
  const shown = (value: number | null) => (value === null ? '–' : Number(value.toPrecision(3)).toString());
  return (
    `${cell}: prefill ${shown(prefillTokensPerSecond)} tokens/s, MFU ${shown(prefillMfu)}; ` +
    `decode ${shown(decodeTokensPerSecond)} tokens/s, MBU ${shown(decodeMbu)}`
  );
}

/** The GPUs that open, by what `doctor` found: the back ends' names there. */
function roadsOf(doctor: string): Road[] {
  const named: [name: string, road: Road][] = [
    ['llama.cpp, CUDA', { device: 'cuda', engine: 'llama' }],
    ['llama.cpp, Vulkan', { device: 'vulkan', engine: 'llama' }],
    ['WebGPU', { device: 'webgpu', engine: 'onnx' }],
  ];
  try {
    const text = readFileSync(doctor, 'utf8');
    const { backEnds } = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as {
      backEnds: { name: string; available: boolean }[];
    };
    const isOpen = (wanted: string) => backEnds.some(({ name, available }) => name === wanted && available);
    return named.flatMap(([name, road]) => (isOpen(name) ? [road] : []));
  } catch {
    // Without an answer each is tried, and says itself why it does not open.
    return named.map(([, road]) => road);
  }
}
