import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sampling } from './request-spec.js';
import { tokenChooser } from './token-choice.js';

const greedy = tokenChooser({ kind: 'greedy' });
const choose = (logits: number[], sampling?: Sampling) =>
  (sampling ? tokenChooser(sampling) : greedy)(Float32Array.from(logits), 0, logits.length);
const seeded = (more: Partial<Extract<Sampling, { kind: 'seeded' }>> = {}): Sampling => ({
  kind: 'seeded',
  temperature: 1,
  seed: 1,
  ...more,
});

describe('greedy', () => {
  it('takes the largest logit, of equal ones the lowest id', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 40 }), (logits) => {
        expect(choose(logits)).toBe(logits.indexOf(Math.max(...logits)));
      }),
    );
  });

  it('reads the row at its offset', () => {
    expect(greedy(Float32Array.from([9, 9, 9, 1, 2, 0, 9]), 3, 3)).toBe(1);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])('fails by name on a NaN or an infinity at %d', (position) => {
    for (const bad of [NaN, Infinity]) {
      const logits = Array.from({ length: 10 }, (_, index) => 10 - index);
      logits[position] = bad;
      expect(() => choose(logits)).toThrow(expect.objectContaining({ code: 'nan-logits' }));
      expect(() => choose(logits, seeded())).toThrow(expect.objectContaining({ code: 'nan-logits' }));
      expect(() => choose(logits, seeded({ topK: 2 }))).toThrow(
        expect.objectContaining({ code: 'nan-logits' }),
      );
    }
  });

  it('lets masked tokens pass, unless nothing is left', () => {
    expect(choose([-Infinity, -3, -Infinity, -2])).toBe(3);
    for (const sampling of [undefined, seeded(), seeded({ topK: 1 })]) {
      expect(() => choose([-Infinity, -Infinity], sampling)).toThrow(
        expect.objectContaining({ code: 'nan-logits' }),
      );
    }
  });
});

describe('seeded sampling', () => {
  const logits = [0.5, 2, -1, 1.5, 0];
  const drawMany = (sampling: Sampling, draws: number) => {
    const chooser = tokenChooser(sampling);
    const row = Float32Array.from(logits);
    return Array.from({ length: draws }, () => chooser(row, 0, row.length));
  };

  it('repeats with its seed and changes with it', () => {
    expect(drawMany(seeded({ seed: 7 }), 50)).toEqual(drawMany(seeded({ seed: 7 }), 50));
    expect(drawMany(seeded({ seed: 7 }), 50)).not.toEqual(drawMany(seeded({ seed: 8 }), 50));
  });

  it.each([
    ['all tokens', undefined],
    ['the three largest', 3],
  ])('follows the softmax over %s', (_, topK) => {
    const temperature = 0.7;
    const kept = [...logits].sort((a, b) => b - a).slice(0, topK ?? logits.length);
    const weights = logits.map((logit) => (kept.includes(logit) ? Math.exp(logit / temperature) : 0));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const draws = 20_000;
    const tokens = drawMany(seeded({ temperature, topK }), draws);
    for (const [id, weight] of weights.entries()) {
      const expected = weight / total;
      const share = tokens.filter((token) => token === id).length / draws;
      // Six standard errors of a share.
      expect(Math.abs(share - expected)).toBeLessThanOrEqual(
        6 * Math.sqrt((expected * (1 - expected)) / draws),
      );
    }
  });

  it('is greedy with a top-k of 1', () => {
    expect(new Set(drawMany(seeded({ topK: 1 }), 20))).toEqual(new Set([1]));
  });

  it('refuses a temperature or top-k that mean nothing', () => {
    for (const sampling of [seeded({ temperature: 0 }), seeded({ temperature: NaN }), seeded({ topK: 0 })]) {
      expect(() => tokenChooser(sampling)).toThrow(expect.objectContaining({ code: 'bad-sampling' }));
    }
  });
});
