import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import { otherwise } from '../../../core/log.js';
import type { Address } from './api.js';
import { Memory } from './memory.js';

const pageBytes = 4096n;
/** Below this, whole huge pages would be a large part of what is taken. */
const smallestBytes = 4 * 2 ** 20;
const madvHugepage = 14;

type Madvise = (address: bigint, length: bigint, advice: number) => number;
let madvise: Madvise | undefined;

/**
 * Asks Linux for pages of 2 MiB where large memory is to be filled from end to end, as KV caches are. The
 * first touch of a page is a trap into the kernel, on virtual machines into the hypervisor too: for 48 MiB
 * in pages of 4 KiB some 260 ms of CPU time were measured, 20 ms in huge ones, none of which is the
 * model's work. A wish only: where it is not granted, nothing else changes.
 */
export function adviseHugePages(memory: Address | Uint8Array, byteLength: number): void {
  if (process.platform !== 'linux' || byteLength < smallestBytes) return;
  madvise ??= koffi.load(null).func('madvise', 'int', ['uintptr_t', 'size_t', 'int']);
  const address: Address = typeof memory === 'bigint' ? memory : koffi.address(memory);
  const start = ((address + pageBytes - 1n) / pageBytes) * pageBytes;
  const end = ((address + BigInt(byteLength)) / pageBytes) * pageBytes;
  madvise(start, end - start, madvHugepage);
}

/**
 * Tells whether Linux grants the wish, by filling 32 MiB of its own and looking; null where the kernel does not
 * say how much memory is in huge pages. Takes some 10 ms, and is no work for while something is measured.
 */
export function hugePagesGranted(): boolean | null {
  const before = hugePageKiB();
  if (before === null) return null;
  const memory = new Memory(8 * smallestBytes);
  adviseHugePages(memory.address, memory.byteLength);
  memory.bytes(0, memory.byteLength).fill(1);
  const after = hugePageKiB();
  memory.release();
  return after === null ? null : after - before >= memory.byteLength / 2 / 1024;
}

function hugePageKiB(): number | null {
  try {
    const counted = /^AnonHugePages:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'latin1'));
    return counted === null ? null : Number(counted[1]);
  } catch (error) {
    return otherwise(null, 'memory in huge pages')(error);
  }
}
