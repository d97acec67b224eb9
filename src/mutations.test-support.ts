/** How inputs are mutated in the tests that hand over hostile ones. Imported by tests only. */
import fc from 'fast-check';

export interface Mutation {
  /** Where, as a part of all places. */
  at: number;
  what: number;
  choice: number;
}

export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({ at: fc.double({ min: 0, max: 0.999999, noNaN: true }), what: fc.nat(6), choice: fc.nat(1000) }),
  { minLength: 1, maxLength: 6 },
);

export interface Place {
  of: Record<string | number, unknown> | unknown[];
  key: string | number;
}

/** Every place in a value that holds one of its own, but for bytes. */
export function placesIn(root: unknown): Place[] {
  const places: Place[] = [];
  const open = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
    for (const key of Object.keys(value)) {
      places.push({ of: value as Record<string, unknown>, key });
      open.push((value as Record<string, unknown>)[key]);
    }
  }
  return places;
}
