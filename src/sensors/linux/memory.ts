import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import koffi from 'koffi';
import { log, otherwise } from '../../core/log.js';
import type { Bytes } from '../../core/units.js';
import type { Absence } from '../absence.js';
import type { System } from '../sensor.js';

/** Peak memory of one segment of work, by the process's high-water mark. */
export interface PeakMemory {
  method: string;
  /**
   * Whether it takes a request of its own, of which nothing else is measured: `begin` gives back what requests before
   * have left, and getting it again costs time.
   */
  apart: boolean;
  /** Starts a segment at the resting level. */
  begin(): void;
  /**
   * Bytes by which resident memory peaked above the resting level since `begin`; null where it did not,
   * so that only an upper bound is known: the allocator served all from memory it had kept, or what was
   * touched is less than the kernel counts at once.
   */
  end(): Bytes | null;
}

/** Systems on which a process can set its high-water mark back. */
export const peakMemorySystems: readonly System[] = ['linux'];

const paths = { status: '/proc/self/status', clearRefs: '/proc/self/clear_refs' };

/**
 * The kernel's high-water mark of resident memory (VmHWM), reset by writing 5 to clear_refs. The mark is
 * the whole process's, so it belongs to a request only while that request runs alone.
 *
 * What the allocator keeps of earlier requests is resident already, and would be no rise: it is given back first
 * (malloc_trim). The page faults that follow make a request dearer in CPU time, by 1% for prompts of 16 and 64 tokens
 * and 16% for one of 512 (SmolLM2-135M q4, 1 thread), so that it is a request of its own.
 */
export function openPeakMemory(alone: boolean): PeakMemory | Absence {
  if (!alone) {
    return {
      reason: 'not-applicable',
      hint: 'The high-water mark is the whole process’s; run with --concurrency 1 to measure it.',
    };
  }
  if (!peakMemorySystems.some((system) => system === process.platform)) {
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
  const trim = openTrim();
  if (trim === null) {
    closeSync(file.status);
    closeSync(file.clearRefs);
    return {
      reason: 'unsupported',
      hint: 'The C library has no malloc_trim, as glibc has: what requests before have left cannot be told from a request’s own.',
    };
  }
  const collectGarbage = openCollector();
  const buffer = Buffer.alloc(4096);
  const read = (field: 'VmRSS' | 'VmHWM'): Bytes =>
    statusBytes(buffer.toString('latin1', 0, readSync(file.status, buffer, 0, buffer.length, 0)), field);
  let restingBytes = 0;
  return {
    method:
      'peak resident memory (VmHWM) of one more request of the cell after all that are measured, above the level before it, when the allocator had given back what requests before had left (malloc_trim)',
    apart: true,
    begin() {
      collectGarbage();
      // Buffers are freed on another thread, which the next collection waits for.
      collectGarbage();
      trim();
      writeSync(file.clearRefs, '5');
      restingBytes = read('VmRSS');
    },
    end() {
      const aboveBytes = read('VmHWM') - restingBytes;
      return aboveBytes > 0 ? aboveBytes : null;
    },
  };
}

/** Node's own heap grows by garbage of requests before, and is given back in the middle of the next one. */
function openCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return collect;
}

/** Makes the allocator give back to the system what is free; null where the C library has no such call. */
function openTrim(): (() => void) | null {
  try {
    const trim = koffi.load(null).func('int malloc_trim(size_t)');
    return () => void trim(0);
  } catch (error) {
    return otherwise(null, 'malloc_trim')(error);
  }
}

/** The bytes of a field of /proc/PID/status, which the kernel prints in kB of 1,024 bytes. */
export function statusBytes(status: string, field: string): Bytes {
  const match = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status);
  if (!match) throw new Error(`${paths.status} has no field ${field}`);
  return Number(match[1]) * 1024;
}
