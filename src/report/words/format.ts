import { byteUnits, type DisplayUnit, jouleUnits, nanosecondUnits } from '../../core/units.js';

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
