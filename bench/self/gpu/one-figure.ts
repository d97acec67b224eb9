/** Measures one figure of a GPU: node one-figure.js ROAD full|small gpu-energy|gpu-sampling|…. */
import { exitCode } from '#tokenwork/core/codes.js';
import { messageOf } from '#tokenwork/core/errors.js';
import { fastestGpu, gpuFigures, large, small } from './figures.js';
import type { Road } from './steps.js';

const road = JSON.parse(process.argv[2]!) as Road;
const subject = process.argv[3] === 'small' ? small : large;
const figure = gpuFigures(() => fastestGpu(road), subject).find(({ id }) => id === process.argv[4]);
if (figure === undefined) throw new Error(`There is no figure ${process.argv[4]}`);
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
