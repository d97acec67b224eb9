/** Holds NVML's energy counter against power integrated over a minute: node energy.js ROAD full|small. */
import { exitCode } from '#tokenwork/core/codes.js';
import { messageOf } from '#tokenwork/core/errors.js';
import { fastestGpu, gpuFigures } from './figures.js';
import type { Road } from './steps.js';

const road = JSON.parse(process.argv[2]!) as Road;
const spec = process.argv[3] === 'small' ? 'tiny' : 'llama-3.2-1b';
const subject = { spec, dtype: 'fp16', contextTokens: 512, newTokens: 64, promptTokens: 2048 } as const;
const figure = gpuFigures(() => fastestGpu(road), subject).find(({ id }) => id === 'gpu-energy')!;
const { unavailable } = figure;
const reason = typeof unavailable === 'function' ? await unavailable() : unavailable;
if (reason) {
  process.stdout.write(`left out, ${reason}\n`);
} else
  try {
    const measured = await figure.measure((text) => process.stdout.write(`${text}\n`));
    process.stdout.write(`${JSON.stringify(measured)}\n`);
  } catch (thrown) {
    process.stderr.write(`${messageOf(thrown)}\n`);
    process.exitCode = exitCode.incomplete;
  }
