import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { log } from '../../../core/log.js';
import { type Ceilings, ceilingsSchema } from '../../../core/result.js';
import type { Bytes } from '../../../core/units.js';
import { askBounded } from '../../../sensors/bounded-child.js';
import { withoutAnswer } from '../../child-failure.js';
import type { LlamaDevice } from '../../engine.js';

/** Before the answer on the child's stdout. */
export const answerMark = 'tokenwork-ceilings:';
const answerSchema = ceilingsSchema.pick({ memoryBandwidth: true, gemm: true });
const answerOrError = z.union([answerSchema, z.object({ error: z.string() })]);
export type LlamaCeilings = Pick<Ceilings, 'memoryBandwidth' | 'gemm'>;

/** What the child reads from its standard input. */
export interface CeilingsTask {
  device: LlamaDevice;
  /** Types of ggml by name, `Q4_K`. */
  types: readonly string[];
  threads: number;
  /** Memory of a GPU that may be used; null where it is not known. */
  freeBytes: Bytes | null;
}

// A child loads no TypeScript: where the sources run (tests), the build stands in for them.
const childFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts')
      ? '../../../../dist/engines/llama/ceilings/measure-ceilings.js'
      : './measure-ceilings.js',
    import.meta.url,
  ),
);
const withinMs = 180_000;
/** A process that ended for want of memory is tried again with so much less. */
const lessRoom = 8;
const mostTries = 3;

/**
 * The ceilings of a device, reached by ggml itself: in each of `types` the rate of a large matrix product, and the
 * bandwidth of streaming through more memory than caches hold. A type that the device multiplies by no weights of
 * is left out of `gemm`. In a process of its own, as a GPU's back end ends it where memory runs out; then less is
 * tried, and where nothing comes of it there are no figures. Rejects with the signal's reason.
 */
export async function measureLlamaCeilings(
  { freeBytes, ...task }: CeilingsTask,
  signal?: AbortSignal,
): Promise<LlamaCeilings> {
  for (let tries = 0; tries < mostTries; tries++) {
    const room = (freeBytes ?? unknownRoom) / lessRoom ** tries;
    const input = JSON.stringify({ ...task, freeBytes: tries === 0 ? freeBytes : room });
    const bounds = { withinMs, signal, input };
    const { answer, ended } = await askBounded([process.execPath, childFile], answerMark, bounds);
    const told = answer === null ? null : answerOrError.parse(JSON.parse(answer));
    if (told !== null && !('error' in told)) return told;
    log('ceilings of %s: %s', task.device, told?.error ?? withoutAnswer(ended, 'measuring it', withinMs));
    if (told !== null || ended.timedOut || task.device === 'cpu') break;
  }
  return { memoryBandwidth: null, gemm: {} };
}

const unknownRoom = 2 ** 30;
