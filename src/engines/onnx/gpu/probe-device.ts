/**
 * Opens a GPU in a process of its own and says on stdout what came of it: a driver may crash, hang or print
 * as it likes, and none of that is to happen to a run. Started by `probeDevice`.
 */
import { messageOf, TokenworkError } from '../../../core/errors.js';
import { engineDevices } from '../../engine.js';
import { vulkanAdapters } from '../../vulkan-adapters.js';
import { BoundRun } from '../native/bound-run.js';
import { Memory } from '../native/memory.js';
import { productWithWeights } from '../product-graph.js';
import { answerMark, type ProbeAnswer } from './probe.js';

const device = engineDevices.onnx.find((name) => name === process.argv[2]);
if (device === undefined || device === 'cpu') throw new Error(`no GPU: ${process.argv[2]}`);
const answer: ProbeAnswer = { ...opening(), adapters: device === 'webgpu' ? vulkanAdapters() : [] };
process.stdout.write(`\n${answerMark}${JSON.stringify(answer)}\n`);
// Not by returning: a driver's threads may keep the process.
process.exit(0);

function opening(): Pick<ProbeAnswer, 'error'> {
  try {
    const sum = multiplied();
    // 64 ones times the weights 2^-7.
    if (Math.abs(sum - 64 * 2 ** -7) < 1e-6) return { error: null };
    const message = `It multiplies wrongly: a product of 0.5 came out as ${sum}.`;
    return { error: { code: 'device-wrong', message, hint: "Update the GPU's driver." } };
  } catch (thrown) {
    if (!(thrown instanceof TokenworkError))
      return { error: { code: 'device-unavailable', message: messageOf(thrown), hint: '' } };
    const { code, message, hint } = thrown;
    return { error: { code, message, hint } };
  }
}

function multiplied(): number {
  const shape = { rows: 1, inner: 64, columns: 32 };
  const [x, y] = [new Memory(shape.inner * 4), new Memory(shape.columns * 4)];
  x.bytes(0, shape.inner * 4).set(new Uint8Array(new Float32Array(shape.inner).fill(1).buffer));
  const run = new BoundRun(
    productWithWeights('fp32', shape),
    { threads: 1, device },
    [{ name: 'x', dtype: 'fp32', shape: [1, shape.inner], memory: x }],
    [{ name: 'y', dtype: 'fp32', shape: [1, shape.columns], memory: y }],
  );
  run.run();
  return new Float32Array(y.bytes(0, 4).slice().buffer)[0]!;
}
