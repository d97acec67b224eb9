import { describe, expect, it } from 'vitest';
import { adjustPValues } from './false-discovery.js';

describe('adjusted p-values', () => {
  it('reject the four hypotheses of the published example', () => {
    // Benjamini & Hochberg 1995, section 3.1: 15 p-values, four rejected at 5%.
    const published = [
      0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528,
      0.759, 1,
    ];
    expect(adjustPValues(published).filter((pValue) => pValue! <= 0.05)).toHaveLength(4);
    expect(adjustPValues(published)[3]).toBeCloseTo((0.0095 * 15) / 4, 12);
  });

  it('keep the order of their originals and leave gaps as they are', () => {
    expect(adjustPValues([0.04, null, 0.01, 0.03])).toEqual([
      expect.closeTo(0.04, 12),
      null,
      expect.closeTo(0.03, 12),
      expect.closeTo(0.04, 12),
    ]);
    expect(adjustPValues([])).toEqual([]);
  });
});
