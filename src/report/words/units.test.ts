import { describe, expect, it } from 'vitest';
import { axisUnit, formatWithUnit } from './format.js';

describe('units of the page', () => {
  it.each([
    [1.5e8, 'ns', '150 ms'],
    [2.5e9, 'B', '2.50 GB'],
    [0.0415, 'J', '41.5 mJ'],
    [0.25, 'ratio', '25%'],
    [3, 'tokens', '3 tokens'],
    [0, 'W', '0 mW'],
    [7, '', '7'],
  ])('%d %s reads %s', (value, unit, text) => {
    expect(formatWithUnit(value, unit)).toBe(text);
  });

  it('suit the largest value of an axis', () => {
    expect(axisUnit('B', 7e8)).toEqual({ name: 'MB', per: 1e6 });
    expect(axisUnit('°C', 70)).toEqual({ name: '°C', per: 1 });
  });
});
