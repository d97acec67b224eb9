import { describe, expect, it } from 'vitest';
import { Room } from './room.js';

describe('room for columns', () => {
  it('gives zeros, and the same memory again once it is given back', () => {
    const room = new Room();
    const kept = room.numbers(3).fill(1);
    const first = room.within(() => room.numbers(5).fill(7));
    const again = room.within(() => room.numbers(5));
    expect(again.buffer).toBe(first.buffer);
    expect(again.byteOffset).toBe(first.byteOffset);
    expect([...again]).toEqual([0, 0, 0, 0, 0]);
    expect([...kept]).toEqual([1, 1, 1]);
  });

  it('keeps apart what is in use, whatever its size and kind', () => {
    const room = new Room();
    const sizes = [1, 3, 20_000, 5, 70_001, 2];
    const columns = sizes.flatMap((size) => [room.indices(size), room.numbers(size)]);
    for (const [mark, column] of columns.entries()) column.fill(mark + 1);
    for (const [mark, column] of columns.entries()) expect(new Set(column)).toEqual(new Set([mark + 1]));
  });

  it('is given back by what throws', () => {
    const room = new Room();
    const offset = room.within(() => room.numbers(4).byteOffset);
    const failing = () =>
      room.within(() => {
        room.numbers(4);
        throw new RangeError('no');
      });
    expect(failing).toThrow(RangeError);
    expect(room.numbers(4).byteOffset).toBe(offset);
  });
});
