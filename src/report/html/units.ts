import { type DisplayUnit, decimalScales } from '../../core/units.js';
import { formatNumber, formatQuantity, unitFor } from '../words/format.js';

/** `120 ms`, `31.5 GB`, `64 tokens`. */
export function formatWithUnit(value: number, unit: string): string {
  if (unit === 'ratio') return `${formatNumber(value * 100)}%`;
  const scale = decimalScales[unit];
  if (scale === undefined) return unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
  // The smallest unit of all stands for what is below it.
  return value === 0 ? `0 ${scale[0]!.name}` : formatQuantity(value, scale);
}

/** The unit in which the largest of an axis's values reads well. */
export function axisUnit(unit: string, largest: number): DisplayUnit {
  if (unit === 'ratio') return { name: '%', per: 0.01 };
  return unitFor(largest, decimalScales[unit] ?? [{ name: unit, per: 1 }]);
}
