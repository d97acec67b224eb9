import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteUnits, flopUnits } from '../../core/units.js';
import { wrap } from '../terminal/wrap.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatQuantity,
  unitFor,
} from './format.js';

describe('numbers', () => {
  it.each([
    [0, '0'],
    [7, '7'],
    [16, '16'],
    [7.256, '7.26'],
    [13.74, '13.7'],
    [235.5, '236'],
    [1234.4, '1234'],
    [9.996, '10.0'],
    [0.98765, '0.988'],
    [0.0012345, '0.00123'],
    [0.9999, '1.00'],
    [-4.5678, '-4.57'],
    [2e-9, '0.00000000200'],
    [null, '–'],
  ])('%d is shown as %s', (value, shown) => {
    expect(formatNumber(value)).toBe(shown);
  });

  it('keep three significant digits, without an exponent', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 1e15, noNaN: true }), (value) => {
        const shown = formatNumber(value);
        expect(shown).toMatch(/^\d+(\.\d+)?$/);
        expect(Math.abs(Number(shown) / value - 1)).toBeLessThanOrEqual(0.005 + 1e-9);
      }),
    );
  });
});

describe('quantities', () => {
  it('are shown in the largest unit that leaves at least 1', () => {
    expect(formatDuration(999)).toBe('999 ns');
    expect(formatDuration(1_230_000)).toBe('1.23 ms');
    expect(formatDuration(61_200_000_000)).toBe('61.2 s');
    expect(formatBytes(45.6 * 2 ** 20)).toBe('45.6 MiB');
    expect(formatQuantity(789.4e9, flopUnits)).toBe('789 GFLOP');
    expect(formatDuration(0)).toBe('0');
    expect(formatDuration(null)).toBe('–');
  });

  it('stay in the smallest unit below it', () => {
    expect(unitFor(0, byteUnits).name).toBe('B');
    expect(unitFor(0.3, byteUnits).name).toBe('B');
  });

  it('are shown as percents and counts', () => {
    expect(formatPercent(0.977)).toBe('97.7%');
    expect(formatPercent(null)).toBe('–');
    expect(formatCount(1, 'request')).toBe('1 request');
    expect(formatCount(2, 'request')).toBe('2 requests');
  });
});

describe('wrapping', () => {
  it('keeps every word, and every line within the width where its words allow', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 20, max: 60 }), (list, width) => {
        const lines = wrap(list.join(' '), width).split('\n');
        expect(lines.map((line) => line.trim()).join(' ')).toBe(list.join(' '));
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('leaves a word longer than the line whole', () => {
    expect(wrap('see /a/very/long/path here', 10)).toBe('see\n  /a/very/long/path\n  here');
  });
});
