import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom, deriveSeed, shuffle, xoshiro128starstar } from './random.js';

describe('xoshiro128**', () => {
  it('gives the outputs of the reference implementation', () => {
    // xoshiro128starstar.c with the state 1, 2, 3, 4; also in rand_xoshiro's tests.
    const random = xoshiro128starstar([1, 2, 3, 4]);
    const outputs = Array.from({ length: 10 }, () => random.uint32());
    expect(outputs).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it('passes over values as the jumps of the reference implementation do', () => {
    // jump() of xoshiro128starstar.c: 2^64 steps, by its polynomial.
    const polynomial = [0x8764000b, 0xf542d2d3, 0x6fa035c3, 0x77f2db5b];
    const state: [number, number, number, number] = [1, 2, 3, 4];
    const jumped: [number, number, number, number] = [0, 0, 0, 0];
    for (const word of polynomial)
      for (let bit = 0; bit < 32; bit++) {
        if (word & (1 << bit)) for (let at = 0; at < 4; at++) jumped[at]! ^= state[at]!;
        const shifted = state[1] << 9;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = (state[3] << 11) | (state[3] >>> 21);
      }
    const random = xoshiro128starstar([1, 2, 3, 4]);
    for (let times = 0; times < 2 ** 11; times++) random.skip(2 ** 53);
    const expected = xoshiro128starstar(jumped);
    for (let drawn = 0; drawn < 4; drawn++) expect(random.uint32()).toBe(expected.uint32());
  });

  it('is seeded by SplitMix32', () => {
    // Both generators written out independently with unbounded integers in Python.
    const random = createRandom(42);
    expect(Array.from({ length: 4 }, () => random.uint32())).toEqual([
      2837322924, 544945897, 479756282, 3500138142,
    ]);
  });
});

describe('a seeded stream', () => {
  it('differs between seeds that differ only in high bits or in sign', () => {
    const first = (seed: number) => createRandom(seed).uint32();
    expect(new Set([0, 1, 2 ** 32, 2 ** 33, -1, 2 ** 53 - 1].map(first)).size).toBe(6);
  });

  it('refuses a seed that is not a whole number', () => {
    expect(() => createRandom(0.5)).toThrow(/0\.5 is not a safe integer/);
  });

  it('draws within its bound, every value about as often', () => {
    const random = createRandom(7);
    const counts = new Array<number>(6).fill(0);
    for (let drawn = 0; drawn < 6000; drawn++) counts[random.below(6)]!++;
    // Pearson's chi-squared with 5 degrees of freedom: 20.5 is its 99.9% point.
    const chiSquared = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeLessThan(20.5);
  });

  it('is uniform over [0, 1) in mean and variance', () => {
    const random = createRandom(11);
    const values = Array.from({ length: 20_000 }, () => random.uniform());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    // Four standard errors: 4·√(1/12/20000) of the mean, 4·√(1/180/20000) of the variance.
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(0.0082);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.0022);
    expect(Math.max(...values)).toBeLessThan(1);
  });

  it('passes over values as if they had been drawn', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.nat(2000), { maxLength: 4 }), (seed, counts) => {
        const [skipping, drawing] = [createRandom(seed), createRandom(seed)];
        for (const count of counts) {
          skipping.skip(count);
          for (let drawn = 0; drawn < count; drawn++) drawing.uint32();
          expect(skipping.uint32()).toBe(drawing.uint32());
        }
      }),
      { numRuns: 20 },
    );
    expect(() => createRandom(1).skip(-1)).toThrow(RangeError);
  });

  it('looks up a table by the upper half of its values', () => {
    const [looking, drawing] = [createRandom(3), createRandom(3)];
    const table = Uint16Array.from({ length: 2 ** 16 }, (_, index) => (index * 40_503) & 0xffff);
    const found = new Uint16Array(100);
    looking.fillFrom(table, found);
    expect([...found]).toEqual(Array.from(found, () => table[drawing.uint32() >>> 16]));
    expect(looking.uint32()).toBe(drawing.uint32());
  });

  it.each([0, -1, 1.5, 2 ** 33])('refuses a bound of %d', (bound) => {
    expect(() => createRandom(1).below(bound)).toThrow(RangeError);
  });
});

describe('deriveSeed', () => {
  it('tells parts and their order apart', () => {
    const seeds = [
      deriveSeed(1),
      deriveSeed(1, 2),
      deriveSeed(2, 1),
      deriveSeed(1, 2, 3),
      deriveSeed(1, 3, 2),
    ];
    expect(new Set(seeds).size).toBe(5);
    expect(deriveSeed(1, 2, 3)).toBe(deriveSeed(1, 2, 3));
  });
});

describe('shuffle', () => {
  it('keeps every item and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const before = [...items];
        const shuffled = shuffle(items, createRandom(seed));
        expect(items).toEqual(before);
        expect([...shuffled].sort()).toEqual([...items].sort());
      }),
    );
  });

  it('reaches each of the six orders of three items about equally often', () => {
    const random = createRandom(3);
    const counts = new Map<string, number>();
    for (let drawn = 0; drawn < 6000; drawn++) {
      const order = shuffle(['a', 'b', 'c'], random).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(counts.size).toBe(6);
    expect(chiSquared).toBeLessThan(20.5);
  });
});

it('fills words with what drawing one by one gives, and goes on behind them', () => {
  const filled = createRandom(7);
  const words = new Uint32Array(1000);
  filled.fill(words);
  const drawn = createRandom(7);
  expect([...words]).toEqual(Array.from({ length: words.length }, () => drawn.uint32()));
  expect(filled.uint32()).toBe(drawn.uint32());
});
