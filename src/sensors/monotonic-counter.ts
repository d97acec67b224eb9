import type { Nanoseconds } from '../core/units.js';

export interface CounterShape {
  /** The largest value the raw counter shows before it starts again at 0; null where it never does. */
  largest: number | null;
  /** Units per raw count. */
  scale: number;
  /** More than this per second, in units, no device of the kind can count: then it was set anew. */
  mostPerSecond: number;
}

// Counters are brought up to date in steps: after a pause, the growth of up to so long may come at once.
const burstS = 1;

/** Turns a raw counter that wraps and may be reset into one that only grows, from 0 at the first value. */
export class MonotonicCounter {
  readonly #shape: CounterShape;
  #total = 0;
  #last: { raw: number; atNs: Nanoseconds } | null = null;

  constructor(shape: CounterShape) {
    this.#shape = shape;
  }

  /**
   * The units counted since the first value, or `NaN` where the counter was reset (driver reload,
   * suspend) or answered garbage: how much was counted meanwhile cannot be known, and counting goes on
   * from here.
   */
  next(raw: number, atNs: Nanoseconds): number {
    const last = this.#last;
    this.#last = { raw, atNs };
    if (!Number.isFinite(raw)) {
      this.#last = null;
      return Number.NaN;
    }
    if (last === null) return this.#total;
    const { largest, scale, mostPerSecond } = this.#shape;
    const most = mostPerSecond * ((atNs - last.atNs) / 1e9 + burstS);
    const wrapped = raw < last.raw && largest !== null ? raw + largest + 1 - last.raw : raw - last.raw;
    const grown = wrapped * scale;
    if (grown < 0 || grown > most) return Number.NaN;
    this.#total += grown;
    return this.#total;
  }
}
