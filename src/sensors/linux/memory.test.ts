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

  it.skipIf(process.platform !== 'linux')('starts each segment from its own resting level', () => {
    const peak = openPeakMemory(true);
    if (!('begin' in peak)) throw new Error(peak.hint);
    const bytes = 64 * 1024 * 1024;
    const held = new Uint8Array(bytes).fill(1);
    peak.begin();
    expect(peak.end() ?? 0).toBeLessThan(bytes / 4);
    expect(held[bytes - 1]).toBe(1);
  });

  it.skipIf(process.platform !== 'linux')('sees what the allocator had kept of segments before', () => {
    const peak = openPeakMemory(true);
    if (!('begin' in peak)) throw new Error(peak.hint);
    const library = koffi.load(null);
    const malloc = library.func('uintptr_t malloc(size_t)');
    const memset = library.func('void *memset(uintptr_t, int, size_t)');
    const free = library.func('void free(uintptr_t)');
    // Below the size from which on the allocator maps memory apart, and gives it back at once.
    const [block, count] = [64 * 1024, 512];
    const use = () => {
      const blocks = Array.from({ length: count }, () => malloc(block));
      for (const one of blocks) memset(one, 1, block);
      return blocks;
    };
    const blocks = use();
    // Holds the end of the heap, so that nothing before it is given back by itself.
    const last = malloc(block);
    for (const one of blocks) free(one);
    peak.begin();
    const again = use();
    const seen = peak.end();
    for (const one of [...again, last]) free(one);
    expect(seen).toBeGreaterThan(0.75 * block * count);
    expect(seen).toBeLessThan(1.5 * block * count);
  });
});
