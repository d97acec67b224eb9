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
});
