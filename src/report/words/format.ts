import { byteUnits, type DisplayUnit, decimalScales, jouleUnits, nanosecondUnits } from '../../core/units.js';

/** Mark in place of a figure that is absent. */
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

/** `120 ms`, `31.5 GB`, `64 tokens`: by its base unit, in decimal steps. */
export function formatWithUnit(value: number, unit: string): string {
  if (unit === 'ratio') return `${formatNumber(value * 100)}%`;
  const scale = decimalScales[unit];
  if (scale === undefined) return unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
  // The smallest unit of all stands for what is below it.
  return value === 0 ? `0 ${scale[0]!.name}` : formatQuantity(value, scale);
}

/** The unit in which the largest of an axis's values, or of an interval's ends, reads well. */
export function axisUnit(unit: string, largest: number): DisplayUnit {
  if (unit === 'ratio') return { name: '%', per: 0.01 };
  return unitFor(largest, decimalScales[unit] ?? [{ name: unit, per: 1 }]);
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

/** A figure with its 95% interval, where it has one. */
export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
}

/** Notation of numbers of one kind: shown = number ÷ `per`. */
export interface NumberStyle {
  per: number;
  /** Behind the figure, and behind an interval in brackets. */
  suffix: string;
  inBrackets: string;
  /** Digits behind the point that a shown number has by itself. */
  decimals(shown: number): number;
  /** Digits that an interval may take to show its ends apart. */
  most?: number;
  /** A number without an interval. */
  alone(value: number): string;
  /** A difference, with its sign. */
  signed?: true;
}

const threeDigits = (shown: number) => {
  const size = Math.abs(shown);
  return size === 0 || size >= 100
    ? 0
    : Math.min(2 - Math.floor(Math.log10(Number(size.toPrecision(3)))), 20);
};
const shareDigits = (shown: number) => {
  const size = Math.abs(shown);
  return size >= 9.95 ? 0 : size >= 0.995 ? 1 : 2;
};

export const numbers: NumberStyle = {
  per: 1,
  suffix: '',
  inBrackets: '',
  decimals: threeDigits,
  alone: formatNumber,
};
export const ratios: NumberStyle = { ...numbers, suffix: '×', most: 3 };
export const shares: NumberStyle = {
  per: 0.01,
  suffix: '%',
  inBrackets: '%',
  decimals: shareDigits,
  alone: (value) => percent(value, ''),
};
export const points: NumberStyle = {
  ...shares,
  suffix: ' points',
  inBrackets: '',
  alone: (value) => `${value < 0 ? '−' : '+'}${percent(Math.abs(value), '')}`,
  signed: true,
};

/** Numbers in one unit. */
export function inUnit({ name, per }: DisplayUnit): NumberStyle {
  const suffix = ` ${name}`;
  return { ...numbers, per, suffix, inBrackets: suffix, alone: (value) => formatNumber(value / per) };
}

/** Notation of an interval's ends in a base unit, `largest` being the larger. */
export function styleOf(unit: string, largest: number): NumberStyle {
  if (unit === 'ratio') return shares;
  if (unit === '×') return ratios;
  return unit === '' ? numbers : inUnit(axisUnit(unit, largest));
}

/** `7.5–9.0%`: both ends with as many digits, enough to tell them apart. */
export function formatInterval(
  low: number | null,
  high: number | null,
  style: NumberStyle = numbers,
): string {
  if (low === null || high === null) return dash;
  if (low === high) return 'exact';
  return `${endsOf(low, high, style).text}${style.inBrackets}`;
}

/** `8.3% [7.5–9.0%]`; without brackets where there is no interval, or none that the digits show. */
export function formatEstimate({ value, low, high }: Estimate, style: NumberStyle = numbers): string {
  if (value === null) return dash;
  const ends = low === null || high === null ? null : endsOf(low, high, style);
  // A figure alone goes without zeros behind the point, which say how exact the ends of an interval are.
  if (ends === null || ends.alike) return `${style.alone(value)}${style.suffix}`;
  return `${written(value, style, ends.decimals)}${style.suffix} [${ends.text}${style.inBrackets}]`;
}

function endsOf(low: number, high: number, style: NumberStyle) {
  const [from, to] = [low / style.per, high / style.per];
  const [a, b] = [style.decimals(from), style.decimals(to)];
  // As many as the larger end has, and more where the ends would differ by less than five of the last.
  let decimals = from === 0 ? b : Math.abs(from) > Math.abs(to) ? a : b;
  const apart = (least: number) => Math.abs(to - from) * 10 ** decimals >= least;
  while (decimals < Math.max(a, b) && !apart(5)) decimals++;
  while (decimals < (style.most ?? 0) && from !== to && !apart(1)) decimals++;
  const [first, last] = [written(low, style, decimals), written(high, style, decimals)];
  return { decimals, alike: first === last, text: first + (style.signed || low < 0 ? ' to ' : '–') + last };
}

function written(value: number, { per, signed }: NumberStyle, decimals: number): string {
  const text = (signed ? Math.abs(value / per) : value / per).toFixed(decimals);
  return signed ? `${value < 0 ? '−' : '+'}${text}` : text;
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

/** `23%`, `4.1%`, `0.31%`. */
export function percent(share: number | null, unit = '%'): string {
  if (share === null) return dash;
  const value = share * 100;
  return `${Number(value.toFixed(shareDigits(value)))}${unit}`;
}

/** A figure in words where there is one: the parts of a list that it adds. */
export function formatKnown(value: number | null, format: (value: number) => string): string[] {
  return value === null ? [] : [format(value)];
}
