import {
  type DisplayUnit,
  flopUnits,
  formatNumber,
  formatQuantity,
  nanosecondUnits,
  unitFor,
} from '../words/format.js';

/** In steps of 1,000, as the ticks of a logarithmic axis are powers of ten. */
const decimal = (unit: string): DisplayUnit[] => [
  { name: unit, per: 1 },
  { name: `k${unit}`, per: 1e3 },
  { name: `M${unit}`, per: 1e6 },
  { name: `G${unit}`, per: 1e9 },
  { name: `T${unit}`, per: 1e12 },
];

const scales: Record<string, readonly DisplayUnit[]> = {
  ns: nanosecondUnits,
  FLOP: flopUnits,
  'FLOP/s': decimal('FLOP/s'),
  B: decimal('B'),
  bytes: decimal('B'),
  'B/s': decimal('B/s'),
  B·s: decimal('B·s'),
  byte·s: decimal('B·s'),
  J: [{ name: 'mJ', per: 1e-3 }, ...decimal('J')],
  W: [{ name: 'mW', per: 1e-3 }, ...decimal('W')],
  Hz: decimal('Hz'),
};

/** `120 ms`, `31.5 GB`, `64 tokens`. */
export function formatWithUnit(value: number, unit: string): string {
  if (unit === 'ratio') return `${formatNumber(value * 100)}%`;
  const scale = scales[unit];
  if (scale === undefined) return unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
  // The smallest unit of all stands for what is below it.
  return value === 0 ? `0 ${scale[0]!.name}` : formatQuantity(value, scale);
}

/** The unit in which the largest of an axis's values reads well. */
export function axisUnit(unit: string, largest: number): DisplayUnit {
  if (unit === 'ratio') return { name: '%', per: 0.01 };
  return unitFor(largest, scales[unit] ?? [{ name: unit, per: 1 }]);
}
