import koffi from 'koffi';
import { log } from '../core/log.js';

/**
 * Where a platform's fenv_t keeps the control register, and the bits that flush subnormal numbers to
 * zero: MXCSR's FTZ and DAZ on x86-64, FPCR's FZ on AArch64 (glibc and musl alike).
 */
const layouts: Partial<Record<string, { word: number; flush: number }>> = {
  'linux/x64': { word: 28 / 4, flush: 0x8000 | 0x0040 },
  'linux/arm64': { word: 0, flush: 1 << 24 },
};

/** Switches the calling thread's floating-point unit around native calls. */
export interface SubnormalFlush {
  begin(): void;
  end(): void;
}

/**
 * Flushing of subnormal numbers for the calling thread, or null where it cannot be switched.
 *
 * Arithmetic on numbers below 2⁻¹²⁶ takes a microcode detour on many CPUs, so that the same graph costs
 * more with some weights than with others: attention of a trained model that all but ignores most of a
 * long context is full of them. On a Xeon, prompts of 256 tokens cost stories260K 1.16 times the CPU time
 * with trained weights that they did with random ones; flushed, 1.01. That detour is no work of the model.
 * It is switched around native calls only, because JavaScript is to keep its subnormals.
 */
export function subnormalFlush(): SubnormalFlush | null {
  const layout = layouts[`${process.platform}/${process.arch}`];
  if (!layout) return null;
  const kept = new Uint32Array(32);
  const flushed = new Uint32Array(32);
  const setEnvironment = (() => {
    try {
      const libc = koffi.load(null);
      const get = libc.func('int fegetenv(void *)');
      const set = libc.func('int fesetenv(const void *)');
      get(kept);
      flushed.set(kept);
      flushed[layout.word]! |= layout.flush;
      set(flushed);
      const seen = new Uint32Array(32);
      get(seen);
      set(kept);
      return (seen[layout.word]! & layout.flush) >>> 0 === layout.flush >>> 0 ? set : null;
    } catch (error) {
      log('subnormals cannot be flushed: %s', error);
      return null; // A libc without these functions: subnormals are kept, and the record says so.
    }
  })();
  if (setEnvironment === null) return null;
  return { begin: () => void setEnvironment(flushed), end: () => void setEnvironment(kept) };
}
