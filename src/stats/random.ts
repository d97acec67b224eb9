/**
 * stats/: numbers in, numbers out. Quantiles, spread, intervals, tests and seeded randomness; no I/O and
 * no knowledge of results.
 */

import { advance, jumpMatrix, type State } from './jump.js';

/** A seeded stream of pseudo-random numbers. Equal seeds give equal streams on every machine. */
export interface Random {
  /** Uniform over [0, 2³²). */
  uint32(): number;
  /** Fills `words` with the next values of `uint32`, several times as fast as one by one. */
  fill(words: Uint32Array): void;
  /** Fills `target` with entries of a table of 2^16, each at the upper half of the next value of `uint32`. */
  fillFrom(table: Uint16Array, target: Uint16Array): void;
  /** Passes over the next `count` values of `uint32`, at most 2^53: many at the cost of few. */
  skip(count: number): void;
  /** Uniform over [0, 1), with 32 random bits. */
  uniform(): number;
  /** Uniform over 0 … `bound` − 1, without modulo bias. `bound` is 1 … 2³². */
  below(bound: number): number;
}

/** xoshiro128** 1.1 from four state words, not all zero (Blackman & Vigna 2018, public domain). */
export function xoshiro128starstar(state: State): Random {
  let [a, b, c, d] = state;
  // Streams are read in strides, each as long as the one before.
  let stride: { count: number; matrix: Uint32Array } | null = null;
  const fill = (words: Uint32Array): void => {
    // In locals: variables of the closure live in memory and make a long fill three times as slow.
    let [w, x, y, z] = [a, b, c, d];
    for (let index = 0; index < words.length; index++) {
      words[index] = Math.imul(rotateLeft(Math.imul(x, 5), 7), 9);
      const shifted = x << 9;
      y ^= w;
      z ^= x;
      x ^= y;
      w ^= z;
      y ^= shifted;
      z = rotateLeft(z, 11);
    }
    [a, b, c, d] = [w, x, y, z];
  };
  const fillFrom = (table: Uint16Array, target: Uint16Array): void => {
    let [w, x, y, z] = [a, b, c, d];
    for (let index = 0; index < target.length; index++) {
      target[index] = table[Math.imul(rotateLeft(Math.imul(x, 5), 7), 9) >>> 16]!;
      const shifted = x << 9;
      y ^= w;
      z ^= x;
      x ^= y;
      w ^= z;
      y ^= shifted;
      z = rotateLeft(z, 11);
    }
    [a, b, c, d] = [w, x, y, z];
  };
  const skip = (count: number): void => {
    if (count === 0) return;
    if (stride?.count !== count) stride = { count, matrix: jumpMatrix(count) };
    [a, b, c, d] = advance(stride.matrix, [a, b, c, d]);
  };
  const uint32 = (): number => {
    const output = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return output;
  };
  return {
    uint32,
    fill,
    fillFrom,
    skip,
    uniform: () => uint32() / 2 ** 32,
    below: (bound) => {
      if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
        throw new RangeError(`a bound of ${bound} is not an integer from 1 to 2^32`);
      }
      let drawn = uint32();
      if (bound === 2 ** 32) return drawn;
      // Values past the last whole multiple of `bound` would favour the small ones: draw again. Only those
      // within one `bound` of 2³² can be past it, and seldom is the slow remainder of 2³² asked for.
      while (drawn >= 2 ** 32 - bound && drawn >= 2 ** 32 - (2 ** 32 % bound)) drawn = uint32();
      // As whole 32-bit numbers, whose remainder costs a tenth of that of doubles.
      return (drawn >>> 0) % (bound >>> 0);
    },
  };
}

/**
 * A stream from a seed (any safe integer). The state is filled by SplitMix32, as the generator's authors
 * advise, from both halves of the seed, so that neighbouring seeds give unrelated streams.
 */
export function createRandom(seed: number): Random {
  const next = splitMix32(foldSeed(seed));
  return xoshiro128starstar([next(), next(), next(), next()]);
}

/** A seed of its own for a part of something seeded, such as one prompt of a suite. */
export function deriveSeed(seed: number, ...parts: number[]): number {
  let derived = splitMix32(foldSeed(seed))();
  for (const part of parts) derived = splitMix32(derived ^ foldSeed(part))();
  return derived;
}

/** A copy in random order (Fisher–Yates). */
export function shuffle<Item>(items: readonly Item[], random: Random): Item[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
  }
  return shuffled;
}

/** SplitMix with a 32-bit state: a Weyl sequence through MurmurHash3's 32-bit finaliser. */
function splitMix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return mix32(state);
  };
}

function mix32(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** A safe integer's two halves in one 32-bit word; seeds from 0 to 2³² − 1 stay as they are. */
function foldSeed(seed: number): number {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed of ${seed} is not a safe integer`);
  return (seed ^ mix32(Math.floor(seed / 2 ** 32))) >>> 0;
}

function rotateLeft(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
