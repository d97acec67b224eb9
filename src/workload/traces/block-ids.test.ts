import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idsIn, runsOf } from './block-ids.js';

describe('runs of ids', () => {
  it('are of consecutive ones', () => {
    expect(runsOf([46, 47, 48, 2353, 2354, 46])).toEqual([46, 3, 2353, 2, 46, 1]);
    expect(runsOf([])).toEqual([]);
  });

  it('give back the ids, or the first of them', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5)), fc.nat(20), (ids, most) => {
        expect(idsIn(runsOf(ids))).toEqual(ids);
        expect(idsIn(runsOf(ids), most)).toEqual(ids.slice(0, most));
      }),
    );
  });
});
