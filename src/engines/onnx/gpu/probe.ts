import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type ErrorCode, errorCodes } from '../../../core/codes.js';
import { messageOf } from '../../../core/errors.js';
import { log, logMark } from '../../../core/log.js';
import { adapterSchema } from '../../../core/result.js';
import { askBounded, type EndedChild } from '../../../sensors/bounded-child.js';
import type { Device } from '../../engine.js';

/** Before the answer on stdout, where drivers print too. */
export const answerMark = 'tokenwork-probe:';

const errorCodeSchema = z.custom<ErrorCode>((code) => typeof code === 'string' && code in errorCodes);
const answerSchema = z.object({
  /** Why the device does not open; null where it does. */
  error: z.object({ code: errorCodeSchema, message: z.string(), hint: z.string() }).nullable(),
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
  device: Exclude<Device, 'cpu'>,
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
    return answer === null ? died(ended, timeoutMs) : answerSchema.parse(JSON.parse(answer));
  } catch (error) {
    return unavailable(messageOf(error));
  }
}

function died({ timedOut, signal, stderr }: EndedChild, timeoutMs: number): ProbeAnswer {
  const how = timedOut
    ? `it did not answer within ${timeoutMs / 1000} s`
    : `opening it ended the process${signal ? ` by ${signal}` : ''}`;
  const said = stderr
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith(logMark));
  // Node ends what it says of an uncaught error with its own version.
  const last = (said.find((line) => /^\w*Error\b/.test(line)) ?? said.at(-1))?.slice(0, 300);
  return unavailable(`${how}${last ? ` (${last})` : ''}`);
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
