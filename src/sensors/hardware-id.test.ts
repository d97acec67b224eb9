import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hardwareId } from './inventory.js';

const gib = 2 ** 30;

it.each([
  ['AMD EPYC 9B14', 2, 24 * gib, 'epyc-9b14-2c-24g'],
  ['Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz', 8, 61.8 * gib, 'xeon-platinum-8375c-8c-62g'],
  ['Xeon® Processor', 2, 25276502016, 'xeon-2c-24g'],
  ['AMD Ryzen 7 7840U w/ Radeon 780M Graphics', 16, 32 * gib, 'ryzen-7-7840u-16c-32g'],
  ['AMD Ryzen 5 5600G with Radeon Graphics', 12, 16 * gib, 'ryzen-5-5600g-12c-16g'],
  ['AMD EPYC 7763 64-Core Processor', 4, 16 * gib, 'epyc-7763-4c-16g'],
  ['Apple M2 Pro', 12, 16 * gib, 'apple-m2-pro-12c-16g'],
  ['', 1, 1000, 'cpu-1c-1g'],
])('names %j with %d cores %s', (brand, cores, bytes, id) => {
  expect(hardwareId(brand, cores, bytes)).toBe(id);
});

it('is always fit for a folder name', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 1024 }), fc.nat(), (brand, cores, bytes) => {
      expect(hardwareId(brand, cores, bytes)).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    }),
  );
});
