/** What stands in place of a figure that is absent. */
export const dash = '–';

/** Three significant digits without an exponent; whole digits are never rounded away, nor added to. */
export function formatNumber(value: number | null): string {
  if (value === null) return dash;
  if (Number.isInteger(value)) return String(value);
  const rounded = Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
  if (rounded === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(rounded)));
  return rounded.toFixed(Math.min(Math.max(2 - magnitude, 0), 20));
}

/** A unit a base quantity is shown in: shown = base ÷ `per`. */
export interface DisplayUnit {
  name: string;
  per: number;
}

export const nanosecondUnits: readonly DisplayUnit[] = [
  { name: 'ns', per: 1 },
  { name: 'µs', per: 1e3 },
  { name: 'ms', per: 1e6 },
  { name: 's', per: 1e9 },
];

export const byteUnits: readonly DisplayUnit[] = [
  { name: 'B', per: 1 },
  { name: 'KiB', per: 2 ** 10 },
  { name: 'MiB', per: 2 ** 20 },
  { name: 'GiB', per: 2 ** 30 },
];

export const flopUnits: readonly DisplayUnit[] = [
  { name: 'FLOP', per: 1 },
  { name: 'MFLOP', per: 1e6 },
  { name: 'GFLOP', per: 1e9 },
  { name: 'TFLOP', per: 1e12 },
];

export const jouleUnits: readonly DisplayUnit[] = [
  { name: 'µJ', per: 1e-6 },
  { name: 'mJ', per: 1e-3 },
  { name: 'J', per: 1 },
  { name: 'kJ', per: 1e3 },
];

/** The largest unit in which the value is at least 1; the smallest one for 0. */
export function unitFor(value: number, units: readonly DisplayUnit[]): DisplayUnit {
  return units.findLast(({ per }) => Math.abs(value) >= per) ?? units[0]!;
}

/** `1.23 s`, `45.6 MiB`, `789 GFLOP`. */
export function formatQuantity(value: number | null, units: readonly DisplayUnit[]): string {
  if (value === null) return dash;
  if (value === 0) return '0';
  const unit = unitFor(value, units);
  return `${formatNumber(value / unit.per)} ${unit.name}`;
}

export function formatDuration(ns: number | null): string {
  return formatQuantity(ns, nanosecondUnits);
}

export function formatBytes(bytes: number | null): string {
  return formatQuantity(bytes, byteUnits);
}

export function formatEnergy(joules: number | null): string {
  return formatQuantity(joules, jouleUnits);
}

export function formatPercent(share: number | null): string {
  return share === null ? dash : `${formatNumber(share * 100)}%`;
}

/** `1 request`, `3 requests`. */
export function formatCount(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Effective tokens to three digits, and nothing below a hundredth of one. */
export function formatTokens(tokens: number | null): string {
  if (tokens === null) return dash;
  const steps = Math.abs(tokens) < 10 ? 100 : Math.abs(tokens) < 100 ? 10 : 1;
  return String(Math.round(tokens * steps) / steps);
}
