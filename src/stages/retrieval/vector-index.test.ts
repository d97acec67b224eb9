import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Similarity, searchCost, VectorIndex } from './vector-index.js';

/** Every vector scored and all of them sorted, without anything clever. */
function bruteForce(vectors: number[][], query: number[], count: number, similarity: Similarity) {
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return vectors
    .map((vector, id) => {
      const lengths = Math.sqrt(dot(vector, vector)) * Math.sqrt(dot(query, query));
      const product = dot(vector, query);
      return { id, score: similarity === 'dot' ? product : lengths === 0 ? 0 : product / lengths };
    })
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, count);
}

function indexOf(vectors: number[][], dimensions: number): VectorIndex {
  const index = new VectorIndex({ dimensions, capacity: vectors.length + 1 });
  for (const [id, vector] of vectors.entries()) expect(index.add(Float32Array.from(vector))).toBe(id);
  return index;
}

describe('a vector index', () => {
  it('finds what brute force finds, ties by the lower id', () => {
    const dimensions = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(
        // Small whole numbers: their products are exact, and many vectors are equally similar.
        dimensions.chain((size) => {
          const vector = fc.array(fc.integer({ min: -2, max: 2 }), { minLength: size, maxLength: size });
          return fc.tuple(fc.array(vector, { maxLength: 40 }), vector);
        }),
        fc.integer({ min: 1, max: 12 }),
        ([vectors, query], count) => {
          const index = indexOf(vectors, query.length);
          const found = index.search(Float32Array.from(query), count, 'dot');
          expect(found).toEqual(bruteForce(vectors, query, count, 'dot'));
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each(['cosine', 'dot'] as const)(
    'finds what brute force finds among real numbers (%s)',
    (similarity) => {
      const float = fc.float({ noNaN: true, min: -4, max: 4 });
      const vector = fc.array(float, { minLength: 10, maxLength: 10 });
      fc.assert(
        fc.property(fc.array(vector, { minLength: 1, maxLength: 30 }), vector, (vectors, query) => {
          const found = indexOf(vectors, 10).search(Float32Array.from(query), 5, similarity);
          const expected = bruteForce(vectors, query, vectors.length, similarity);
          expect(found).toHaveLength(Math.min(5, vectors.length));
          for (const [rank, { id, score }] of found.entries()) {
            // Rounding may change places only among vectors as similar as one another.
            expect(score).toBeCloseTo(expected[rank]!.score, 6);
            expect(score).toBeCloseTo(expected.find((other) => other.id === id)!.score, 6);
          }
          expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
        }),
      );
    },
  );

  it('finds each vector of a long history by itself', () => {
    const index = new VectorIndex({ dimensions: 64, capacity: 5000 });
    index.fill(5000, 7);
    const again = new VectorIndex({ dimensions: 64, capacity: 5000 });
    again.fill(4321, 7);
    const first = index.vector(0);
    expect(again.vector(0)).toEqual(first);
    expect(again.vector(4320)).toEqual(index.vector(4320));
    for (const id of [0, 17, 4999]) {
      const [nearest, second] = index.search(index.vector(id), 2);
      expect(nearest).toMatchObject({ id, score: expect.closeTo(1, 5) });
      expect(second!.score).toBeLessThan(0.9);
    }
    const other = new VectorIndex({ dimensions: 64, capacity: 1 });
    other.fill(1, 8);
    expect(other.vector(0)).not.toEqual(first);
  });

  it('grows, forgets its end, and refuses what does not fit', () => {
    const index = new VectorIndex({ dimensions: 2, capacity: 2 });
    expect(index.search(Float32Array.of(1, 0), 3)).toEqual([]);
    index.add(Float32Array.of(0, 0));
    index.add(Float32Array.of(0, 2));
    expect(index.search(Float32Array.of(0, 1), 3)).toEqual([
      { id: 1, score: 1 },
      { id: 0, score: 0 },
    ]);
    expect(() => index.add(Float32Array.of(1, 1))).toThrow(
      expect.objectContaining({ code: 'vector-index-full' }),
    );
    expect(() => index.fill(1, 1)).toThrow(expect.objectContaining({ code: 'vector-index-full' }));
    for (const vector of [[1], [1, 2, 3], [Number.NaN, 1]])
      expect(() => index.search(Float32Array.from(vector), 1)).toThrow(
        expect.objectContaining({ code: 'vector-misfit' }),
      );
    index.truncate(1);
    expect(index.add(Float32Array.of(3, 4))).toBe(1);
    expect(index.search(Float32Array.of(3, 4), 1, 'dot')).toEqual([{ id: 1, score: 25 }]);
    expect(() => index.truncate(3)).toThrow(RangeError);
    expect(() => index.vector(2)).toThrow(RangeError);
    expect(() => new VectorIndex({ dimensions: 2, capacity: -1 })).toThrow(
      expect.objectContaining({ code: 'bad-vector-index' }),
    );
  });

  it('costs a multiply-add and four bytes for each element of each vector', () => {
    expect(searchCost(100_000, 384)).toEqual({
      flops: 76_800_000,
      memoryTraffic: 153_600_000,
      activationBytes: 0,
    });
  });
});
