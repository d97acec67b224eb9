import { expect, it } from 'vitest';
import type { Ceilings } from '../core/result.js';
import { largerCeilings } from './ceilings.js';

const ceilings = (bandwidth: number | null, gemm: Record<string, number>): Ceilings => ({
  memoryBandwidth: bandwidth === null ? null : { value: bandwidth, unit: 'B/s', method: 'streamed' },
  gemm: Object.fromEntries(
    Object.entries(gemm).map(([name, value]) => [name, { value, unit: 'FLOP/s', method: 'product' }]),
  ),
  threads: 2,
});

it('keeps the larger of each figure that was measured twice', () => {
  const merged = largerCeilings(ceilings(10, { fp32: 5, q4: 9 }), ceilings(8, { fp32: 7, q4: 1 }));
  expect(merged).toEqual(ceilings(10, { fp32: 7, q4: 9 }));
});

it('says that others kept cores busy only where they did both times', () => {
  const busy = { ...ceilings(10, { fp32: 5 }), othersCores: 1.5 };
  expect(largerCeilings(busy, { ...busy, othersCores: 0.4 })?.othersCores).toBe(0.4);
  expect(largerCeilings(busy, ceilings(8, { fp32: 7 }))).not.toHaveProperty('othersCores');
});

it('says that the machine was held back only where it was both times', () => {
  const heldBack = { ...ceilings(10, { fp32: 5 }), withheldCores: 0.5, thermalThrottles: 3 };
  expect(largerCeilings(heldBack, { ...heldBack, withheldCores: 0.2 })).toEqual({
    ...heldBack,
    withheldCores: 0.2,
  });
  expect(largerCeilings(ceilings(8, { fp32: 7 }), heldBack)).toEqual(ceilings(10, { fp32: 7 }));
});

it('keeps a figure that was measured only once', () => {
  const once = ceilings(10, { fp32: 5 });
  expect(largerCeilings(once, null)).toEqual(once);
  expect(largerCeilings(null, once)).toEqual(once);
  expect(largerCeilings(ceilings(null, { fp32: 5 }), ceilings(3, { q4: 2 }))).toEqual(
    ceilings(3, { fp32: 5, q4: 2 }),
  );
});
