import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf } from '../../../core/errors.js';
import { log } from '../../../core/log.js';
import { adapterSchema } from '../../../core/records/model.js';
import { askBounded } from '../../../sensors/bounded-child.js';
import { childErrorSchema, withoutAnswer } from '../../child-failure.js';
import type { OnnxDevice } from '../../engine.js';

/** Before the answer on stdout, where drivers print too. */
export const answerMark = 'tokenwork-probe:';

const answerSchema = z.object({
  /** Why the device does not open; null where it does. */
  error: childErrorSchema.nullable(),
  /** Those that WebGPU may take, the one it takes first; empty where they cannot be listed. */
  adapters: z.array(adapterSchema),
});
export type ProbeAnswer = z.infer<typeof answerSchema>;

// A child loads no TypeScript: where the sources run (tests), the build stands in for them.
const childFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts')
      ? '../../../../dist/engines/onnx/gpu/probe-device.js'
      : './probe-device.js',
    import.meta.url,
  ),
);
const stallTimeoutMs = 120_000;

/** Opens the GPU in a child process and multiplies on it. Never rejects: a crash or a hang is an answer too. */
export async function probeDevice(
  device: Exclude<OnnxDevice, 'cpu'>,
  { file = childFile, timeoutMs = stallTimeoutMs }: { file?: string; timeoutMs?: number } = {},
): Promise<ProbeAnswer> {
  const probed = await probe([process.execPath, file, device], timeoutMs);
  log('device %s: %j', device, probed);
  return probed;
}

async function probe(command: readonly string[], timeoutMs: number): Promise<ProbeAnswer> {
  try {
    const { answer, ended } = await askBounded(command, answerMark, { withinMs: timeoutMs });
    for (const own of ended.stderr.split('\n').filter(Boolean)) log('probe: %s', own);
    if (answer !== null) return answerSchema.parse(JSON.parse(answer));
    return unavailable(withoutAnswer(ended, 'opening it', timeoutMs));
  } catch (error) {
    return unavailable(messageOf(error));
  }
}

function unavailable(why: string): ProbeAnswer {
  return {
    error: {
      code: 'device-unavailable',
      message: `The GPU does not open: ${why}.`,
      hint: "Update the GPU's driver, or run with --device cpu.",
    },
    adapters: [],
  };
}
