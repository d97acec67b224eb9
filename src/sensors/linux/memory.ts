import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { log } from '../../core/log.js';
import type { Bytes } from '../../core/units.js';
import type { Absence } from '../absence.js';

/** Peak memory of one segment of work, by the process's high-water mark. */
export interface PeakMemory {
  method: string;
  /** Starts a segment at the resting level. */
  begin(): void;
  /**
   * Bytes by which resident memory peaked above the resting level since `begin`; null where they are not known
   * to a tenth: what was touched is less than the kernel counts at once, or the allocator may have served it from
   * memory that it had kept.
   */
  end(): Bytes | null;
}

const paths = { status: '/proc/self/status', clearRefs: '/proc/self/clear_refs' };

/** A peak is known where what the allocator had kept is no more than this share of it. */
const keptShare = 0.1;

/**
 * The kernel's high-water mark of resident memory (VmHWM), reset by writing 5 to clear_refs. The mark is
 * the whole process's, so it belongs to a request only while that request runs alone.
 *
 * What the allocator keeps of earlier requests is resident already, and no rise: a request that is served from
 * it seems to need less than it does. Giving it back first (malloc_trim) would show it, but made requests 5%
 * dearer in CPU time by the page faults that follow. So a peak is published where what was kept is little.
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
  const keptBytes = openKeptBytes();
  let restingBytes = 0;
  let keptBefore = 0;
  return {
    method:
      'peak resident memory (VmHWM, reset before the request) minus the resting level; absent where the allocator had kept more than a tenth of it from requests before',
    begin() {
      writeSync(file.clearRefs, '5');
      restingBytes = read('VmRSS');
      keptBefore = keptBytes();
    },
    end() {
      const aboveBytes = read('VmHWM') - restingBytes;
      return aboveBytes > 0 && keptBefore <= keptShare * aboveBytes ? aboveBytes : null;
    },
  };
}

/** Places in `struct mallinfo2` of glibc 2.33 and later, each a size_t. */
const mallinfoFields = 10;
const freeField = 8;

/**
 * Bytes that glibc's allocator holds and nobody uses (`fordblks` of mallinfo2). 0 where the C library has no such
 * function: musl gives freed memory back.
 */
function openKeptBytes(): () => Bytes {
  try {
    const struct = koffi.array('size_t', mallinfoFields);
    const type = koffi.struct({ fields: struct });
    const mallinfo2 = koffi.load(null).func('mallinfo2', type, []) as () => { fields: ArrayLike<number> };
    return () => Number(mallinfo2().fields[freeField]);
  } catch (error) {
    log('mallinfo2: %s', error);
    return () => 0;
  }
}

/** The bytes of a field of /proc/PID/status, which the kernel prints in kB of 1,024 bytes. */
export function statusBytes(status: string, field: string): Bytes {
  const match = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status);
  if (!match) throw new Error(`${paths.status} has no field ${field}`);
  return Number(match[1]) * 1024;
}
