import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CacheExport } from '../../engines/engine.js';
import { HostBlocks } from '../../engines/onnx/host-blocks.js';
import { openDecoder } from '../../engines/onnx/open-decoder.js';
import { describeDecoder } from '../../models/decoder-graph.js';
import { decodeModel } from '../../models/onnx/proto.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { PrefixCache, type PrefixMatch } from './prefix-cache.js';

const blockTokens = 2;
const bytesPerPosition = 16;
const blockBytes = blockTokens * bytesPerPosition;

/** The bytes a position has after the tokens up to it: they tell every prefix from every other. */
function positionBytes(prefix: readonly number[]): Uint8Array {
  const text = prefix.join();
  return Uint8Array.from({ length: bytesPerPosition }, (_, i) =>
    (text + text.length * (i + 1)).charCodeAt(i),
  );
}

function exporterOf(ids: readonly number[]) {
  return (exports: readonly CacheExport[]) => {
    for (const { from, to, target } of exports)
      for (let position = from; position < to; position++)
        (target as Uint8Array).set(
          positionBytes(ids.slice(0, position + 1)),
          (position - from) * bytesPerPosition,
        );
  };
}

const decoder = {
  kvBytesPerPosition: bytesPerPosition,
  reserveBlocks: (blocks: number, tokens: number) => new HostBlocks(blocks, tokens * bytesPerPosition),
};

function cacheOf(blocks: number): PrefixCache {
  return new PrefixCache(decoder, { blockTokens, limitBytes: blocks * blockBytes + blockBytes / 2 });
}

function expectContent(match: PrefixMatch, ids: readonly number[]): void {
  expect(match.blocks).toHaveLength(match.tokens / blockTokens);
  for (const [index, block] of match.blocks.entries()) {
    const expected = new Uint8Array(blockBytes);
    exporterOf(ids)([{ from: index * blockTokens, to: (index + 1) * blockTokens, target: expected }]);
    expect(block).toEqual(expected);
  }
}

/** The same policy told in the plainest way: a list of prefixes, searched from end to end. */
class NaiveCache {
  readonly entries: { prefix: string; pins: number; idleSince: number }[] = [];
  readonly capacity: number;
  #time = 0;
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  prefixes(ids: readonly number[]): string[] {
    return ids.flatMap((_, i) => ((i + 1) % blockTokens === 0 ? [ids.slice(0, i + 1).join()] : []));
  }
  find(prefix: string) {
    return this.entries.find((entry) => entry.prefix === prefix);
  }
  match(ids: readonly number[]): string[] {
    const wanted = this.prefixes(ids.slice(0, -1));
    const end = wanted.findIndex((prefix) => !this.find(prefix));
    const found = end < 0 ? wanted : wanted.slice(0, end);
    for (const prefix of found) this.find(prefix)!.pins++;
    return found;
  }
  release(prefixes: string[]): void {
    for (const prefix of prefixes.toReversed()) {
      const entry = this.find(prefix)!;
      entry.pins--;
      entry.idleSince = this.#time++;
    }
  }
  store(ids: readonly number[]): void {
    const pinned: string[] = [];
    for (const prefix of this.prefixes(ids)) {
      if (!this.find(prefix)) {
        if (this.entries.length === this.capacity) {
          const idle = this.entries.filter(({ pins }) => pins === 0);
          if (idle.length === 0) break;
          const oldest = idle.reduce((a, b) => (a.idleSince <= b.idleSince ? a : b));
          this.entries.splice(this.entries.indexOf(oldest), 1);
        }
        this.entries.push({ prefix, pins: 0, idleSince: this.#time++ });
      }
      this.find(prefix)!.pins++;
      pinned.push(prefix);
    }
    this.release(pinned);
  }
}

interface Model {
  naive: NaiveCache;
  held: { ids: number[]; prefixes: string[] }[];
}
interface Real {
  cache: PrefixCache;
  held: PrefixMatch[];
}

function agree({ naive, held }: Model, { cache, held: matches }: Real): void {
  const { blocks, heldBytes, limitBytes } = cache.statistics;
  expect(blocks.held).toBe(naive.entries.length);
  expect(blocks.pinned).toBe(naive.entries.filter(({ pins }) => pins > 0).length);
  expect(blocks.held).toBe(blocks.stored - blocks.evicted);
  expect(heldBytes).toBeLessThanOrEqual(limitBytes);
  // What somebody holds is what it was, whatever came and went since.
  for (const [index, match] of matches.entries()) expectContent(match, held[index]!.ids);
}

class Match implements fc.Command<Model, Real> {
  readonly ids: number[];
  constructor(ids: number[]) {
    this.ids = ids;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    const expected = model.naive.match(this.ids);
    const match = real.cache.match(this.ids);
    expect(match.tokens).toBe(expected.length * blockTokens);
    model.held.push({ ids: this.ids, prefixes: expected });
    real.held.push(match);
    agree(model, real);
  }
  toString = () => `match ${this.ids}`;
}

class Store implements fc.Command<Model, Real> {
  readonly ids: number[];
  constructor(ids: number[]) {
    this.ids = ids;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    model.naive.store(this.ids);
    const { stored, present, refused } = real.cache.store(this.ids, exporterOf(this.ids));
    expect(stored + present + refused).toBe(Math.floor(this.ids.length / blockTokens));
    agree(model, real);
  }
  toString = () => `store ${this.ids}`;
}

class Release implements fc.Command<Model, Real> {
  readonly which: number;
  constructor(which: number) {
    this.which = which;
  }
  check = (model: Model) => model.held.length > 0;
  run(model: Model, real: Real): void {
    const index = this.which % model.held.length;
    const [{ prefixes }] = model.held.splice(index, 1) as [Model['held'][number]];
    const [match] = real.held.splice(index, 1) as [PrefixMatch];
    model.naive.release(prefixes);
    match.release();
    // A second release must not take away the pin of another.
    match.release();
    agree(model, real);
  }
  toString = () => `release ${this.which}`;
}

const promptIds = fc.array(fc.nat(1), { maxLength: 11 });

describe('a prefix cache', () => {
  it('does what the plainest telling of its policy does, under any traffic', () => {
    const commands = [
      promptIds.map((ids) => new Match(ids)),
      promptIds.map((ids) => new Store(ids)),
      promptIds.map((ids) => new Store(ids)),
      fc.nat(9).map((which) => new Release(which)),
    ];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.commands(commands, { maxCommands: 60 }),
        (capacity, all) => {
          const cache = cacheOf(capacity);
          const setup = () => ({
            model: { naive: new NaiveCache(capacity), held: [] } as Model,
            real: { cache, held: [] } as Real,
          });
          fc.modelRun(setup, all);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('leaks no block: after any traffic all of them can be had again', () => {
    fc.assert(
      fc.property(fc.array(promptIds, { maxLength: 30 }), fc.integer({ min: 1, max: 6 }), (all, capacity) => {
        const cache = cacheOf(capacity);
        for (const [index, ids] of all.entries()) {
          const match = cache.match(ids);
          const failing = index % 3 === 0;
          const store = () =>
            cache.store(ids, (exports) => {
              exporterOf(ids)(failing ? exports.slice(1) : exports);
              if (failing) throw new Error('the sequence is gone');
            });
          try {
            store();
          } catch (thrown) {
            expect(thrown).toMatchObject({ message: 'the sequence is gone' });
          }
          match.release();
          const after = cache.match(ids);
          expectContent(after, ids);
          after.release();
        }
        const fresh = Array.from({ length: capacity * blockTokens }, (_, i) => 100 + i);
        expect(cache.store(fresh, exporterOf(fresh)).stored).toBe(capacity);
      }),
    );
    const cache = cacheOf(4);
    for (let round = 0; round < 50; round++) {
      const ids = Array.from({ length: 8 }, (_, i) => round * 8 + i);
      expect(cache.store(ids, exporterOf(ids))).toMatchObject({ stored: 4, evicted: round === 0 ? 0 : 4 });
      expect(cache.statistics.blocks).toMatchObject({ capacity: 4, held: 4, pinned: 0 });
    }
  });

  it('tells hits, partial hits and misses apart, and counts them', () => {
    const cache = cacheOf(8);
    const ids = [1, 2, 3, 4, 5, 6];
    cache.store(ids, exporterOf(ids));
    const outcomeOf = (prompt: number[]) => {
      const { outcome, tokens, release } = cache.match(prompt);
      release();
      return [outcome, tokens];
    };
    expect(outcomeOf([1, 2, 3, 4, 5, 6, 7])).toEqual(['hit', 6]);
    // The last position is computed for its logits, so its block does not count.
    expect(outcomeOf([1, 2, 3, 4, 5, 6])).toEqual(['hit', 4]);
    expect(outcomeOf([1, 2, 3, 4, 9, 9, 9])).toEqual(['partial', 4]);
    expect(outcomeOf([9, 2, 3, 4, 5, 6, 7])).toEqual(['miss', 0]);
    // The same tokens after others are other positions.
    expect(outcomeOf([3, 4, 5, 6, 7])).toEqual(['miss', 0]);
    expect(cache.statistics).toMatchObject({
      lookups: { hit: 2, partial: 1, miss: 2 },
      tokens: { lookedUp: 7 + 6 + 7 + 7 + 5, found: 6 + 4 + 4 },
      heldBytes: 3 * blockBytes,
    });
  });

  it('evicts the end of a chain before its beginning, and the oldest chain first', () => {
    const cache = cacheOf(4);
    const [old, young] = [
      [1, 1, 1, 1],
      [2, 2, 2, 2],
    ];
    for (const ids of [old, young]) cache.store(ids, exporterOf(ids));
    const next = [3, 3];
    expect(cache.store(next, exporterOf(next))).toMatchObject({ stored: 1, evicted: 1 });
    expect(cache.match([...old, 0]).tokens).toBe(2);
    expect(cache.match([...young, 0]).tokens).toBe(4);
  });

  it('keeps what is pinned and refuses the rest', () => {
    const cache = cacheOf(2);
    const ids = [1, 2, 3, 4];
    cache.store(ids, exporterOf(ids));
    const match = cache.match([...ids, 5]);
    const other = [7, 7, 7, 7];
    expect(cache.store(other, exporterOf(other))).toEqual({ stored: 0, present: 0, refused: 2, evicted: 0 });
    expectContent(match, ids);
    expect(() => cache.clear()).toThrow(/in use/);
    match.release();
    cache.clear();
    expect(cache.match([...ids, 5]).outcome).toBe('miss');
    expect(cache.store(other, exporterOf(other))).toMatchObject({ stored: 2, evicted: 0 });
  });

  it.each([
    [{ blockTokens: 0, limitBytes: 1000 }],
    [{ blockTokens: 1.5, limitBytes: 1000 }],
    [{ blockTokens, limitBytes: blockBytes - 1 }],
    [{ blockTokens, limitBytes: Number.NaN }],
  ])('refuses %j', (options) => {
    expect(() => new PrefixCache(decoder, options)).toThrow(
      expect.objectContaining({ code: 'bad-prefix-cache' }),
    );
  });
});

const storiesPath = sharedPath('models/stories260K/onnx/model.onnx');

describe.skipIf(lacksShared)('with a trained model', () => {
  it('continues from the cache as from the positions computed', async () => {
    const graph = describeDecoder(decodeModel(readFileSync(storiesPath)));
    const model = { onnxPath: storiesPath, decoder: graph, contextLength: 512 };
    const decoder = await openDecoder(model, { threads: 1, backend: 'auto' });
    const { kvBytesPerPosition } = decoder;
    const cache = new PrefixCache(decoder, {
      blockTokens: 16,
      limitBytes: 8 * 16 * kvBytesPerPosition,
    });
    const ids = Array.from({ length: 70 }, (_, i) => ((i + 1) * 131) % 512);
    const toIds = (part: number[]) => BigInt64Array.from(part, BigInt);

    const first = decoder.open({ batch: 1, capacity: 80 });
    await first.step(toIds(ids.slice(0, 64)));
    const expected = Float32Array.from((await first.step(toIds(ids.slice(64)))).data);
    cache.store(ids, (exports) => first.exportCache(0, exports));

    const match = cache.match(ids);
    expect(match).toMatchObject({ outcome: 'hit', tokens: 64 });
    const second = decoder.open({ batch: 1, capacity: 80 });
    second.importCache([match.blocks]);
    match.release();
    expect(Float32Array.from((await second.step(toIds(ids.slice(64)))).data)).toEqual(expected);
    for (const sequence of [first, second]) sequence.close();
    decoder.close();
  });
});
