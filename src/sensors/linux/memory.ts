import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { log } from '../../core/log.js';
import type { Bytes } from '../../core/units.js';
import type { Absence } from '../absence.js';

/** Peak memory of one segment of work, by the process's high-water mark. */
export interface PeakMemory {
  method: string;
  /** Starts a segment at the resting level. */
  begin(): void;
  /**
   * Bytes by which resident memory peaked above the resting level since `begin`; null where it did not,
   * so that only an upper bound is known: the allocator served all from memory it had kept, or what was
   * touched is less than the kernel counts at once.
   */
  end(): Bytes | null;
}

const paths = { status: '/proc/self/status', clearRefs: '/proc/self/clear_refs' };

/**
 * The kernel's high-water mark of resident memory (VmHWM), reset by writing 5 to clear_refs. The mark is
 * the whole process's, so it belongs to a request only while that request runs alone.
 *
 * What the allocator keeps of earlier requests is resident already, and no rise, so that this is a lower bound.
 * Giving it back before each request (malloc_trim) would show it, but made requests dearer in CPU time by the page
 * faults that follow: 1% for prompts of 16 and 64 tokens, 16% for one of 512 (SmolLM2-135M q4, 1 thread).
 */
export function openPeakMemory(alone: boolean): PeakMemory | Absence {
  if (!alone) {
    return {
      reason: 'not-applicable',
      hint: 'The high-water mark is the whole process’s; run with --concurrency 1 to measure it.',
    };
  }
  if (process.platform !== 'linux') {
    return { reason: 'unsupported', hint: 'Only Linux lets a process reset its high-water mark.' };
  }
  const file = { status: 0, clearRefs: 0 };
  try {
    file.status = openSync(paths.status, 'r');
    file.clearRefs = openSync(paths.clearRefs, 'w');
    writeSync(file.clearRefs, '5');
  } catch (error) {
    log('peak memory: %s', error);
    if (file.status !== 0) closeSync(file.status);
    return { reason: 'permission', hint: `${paths.clearRefs} cannot be written here.` };
  }
  const buffer = Buffer.alloc(4096);
  const read = (field: 'VmRSS' | 'VmHWM'): Bytes =>
    statusBytes(buffer.toString('latin1', 0, readSync(file.status, buffer, 0, buffer.length, 0)), field);
  let restingBytes = 0;
  return {
    method:
      'peak resident memory (VmHWM, reset before the request) minus the resting level: a lower bound, as memory that the allocator kept from requests before belongs to that level; absent where it lies below the KV cache that the request held',
    begin() {
      writeSync(file.clearRefs, '5');
      restingBytes = read('VmRSS');
    },
    end() {
      const aboveBytes = read('VmHWM') - restingBytes;
      return aboveBytes > 0 ? aboveBytes : null;
    },
  };
}

/** The bytes of a field of /proc/PID/status, which the kernel prints in kB of 1,024 bytes. */
export function statusBytes(status: string, field: string): Bytes {
  const match = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status);
  if (!match) throw new Error(`${paths.status} has no field ${field}`);
  return Number(match[1]) * 1024;
}
