import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { openPeakMemory, statusBytes } from './memory.js';

const recorded =
  'Name:\tnode\nVmPeak:\t 1142864 kB\nVmSize:\t 1077328 kB\nVmHWM:\t   47292 kB\nVmRSS:\t   46780 kB\n';

describe('statusBytes', () => {
  it('reads a field in bytes', () => {
    expect(statusBytes(recorded, 'VmHWM')).toBe(47292 * 1024);
    expect(statusBytes(recorded, 'VmRSS')).toBe(46780 * 1024);
  });

  it('names a field the kernel does not print', () => {
    expect(() => statusBytes(recorded, 'VmSwap')).toThrow('VmSwap');
  });
});

describe('openPeakMemory', () => {
  it('is not applicable to requests that run beside others', () => {
    expect(openPeakMemory(false)).toMatchObject({ reason: 'not-applicable' });
  });

  it.skipIf(process.platform !== 'linux')('sees the memory a segment of work touches', () => {
    const peak = openPeakMemory(true);
    if (!('begin' in peak)) throw new Error(peak.hint);
    const bytes = 64 * 1024 * 1024;
    peak.begin();
    const held = new Uint8Array(bytes).fill(1);
    const seen = peak.end();
    expect(held[bytes - 1]).toBe(1);
    // Whatever else the process takes or gives back meanwhile is small beside it.
    expect(seen).toBeGreaterThan(bytes * 0.75);
    expect(seen).toBeLessThan(bytes * 1.25);
  });

  // The C library of musl keeps nothing, and glibc before 2.33 does not tell.
  it.skipIf(process.platform !== 'linux')('is not known where the allocator had kept much of it', () => {
    const peak = openPeakMemory(true);
    if (!('begin' in peak)) throw new Error(peak.hint);
    const libc = koffi.load(null);
    const malloc = libc.func('void *malloc(size_t)');
    const free = libc.func('void free(void *)');
    const fill = libc.func('void *memset(void *, int, size_t)');
    // Small blocks are kept when they are freed, as long as one above them is held.
    const blocks = Array.from({ length: 20_000 }, () => fill(malloc(1000), 1, 1000));
    const above = malloc(1000);
    for (const block of blocks) free(block);
    peak.begin();
    const held = new Uint8Array(32 * 2 ** 20).fill(1);
    expect(peak.end()).toBeNull();
    expect(held[0]).toBe(1);
    free(above);
  });

  it.skipIf(process.platform !== 'linux')('starts each segment from its own resting level', () => {
    const peak = openPeakMemory(true);
    if (!('begin' in peak)) throw new Error(peak.hint);
    const bytes = 64 * 1024 * 1024;
    const held = new Uint8Array(bytes).fill(1);
    peak.begin();
    expect(peak.end() ?? 0).toBeLessThan(bytes / 4);
    expect(held[bytes - 1]).toBe(1);
  });
});
