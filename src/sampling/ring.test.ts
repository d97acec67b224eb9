import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ringMemory, SampleRing } from './ring.js';

describe('SampleRing', () => {
  it('gives back in order what was put in, and counts what found no room', () => {
    const steps = fc.array(fc.oneof(fc.nat(30), fc.constant('drain' as const)), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (plan) => {
        const memory = ringMemory(16);
        const [writer, reader] = [new SampleRing(memory), new SampleRing(memory)];
        let written = 0;
        let dropped = 0;
        let waiting: number[] = [];
        for (const step of plan) {
          if (step === 'drain') {
            expect(reader.drain().map(({ value }) => value)).toEqual(waiting);
            waiting = [];
            continue;
          }
          for (let count = 0; count < step; count++) {
            const room = waiting.length < 16;
            expect(writer.push(written, written % 7, written)).toBe(room);
            if (room) waiting.push(written);
            else dropped++;
            written++;
          }
        }
        expect(reader.dropped).toBe(dropped);
        expect(reader.drain()).toEqual(
          waiting.map((value) => ({ timeNs: value, channel: value % 7, value })),
        );
      }),
    );
  });

  it('goes on when its positions overflow 32 bits', () => {
    const memory = ringMemory(4);
    new Int32Array(memory).fill(2 ** 31 - 2, 0, 2);
    const ring = new SampleRing(memory);
    for (let round = 0; round < 3; round++) {
      for (let value = 0; value < 4; value++) expect(ring.push(value, 0, value)).toBe(true);
      expect(ring.push(4, 0, 4)).toBe(false);
      expect(ring.drain().map(({ value }) => value)).toEqual([0, 1, 2, 3]);
    }
    expect(ring.dropped).toBe(3);
  });

  it.each([0, 1, 3, 100])('refuses a capacity of %d', (capacity) => {
    expect(() => ringMemory(capacity)).toThrow(RangeError);
  });
});
