import { color } from './theme.js';

interface AxisStyle {
  name: string;
  format: (value: number) => string;
  min?: number;
  max?: number;
}

/** Axis names stand level: the vertical one's above the axis, the horizontal one's below its middle. */
function base({ name, format, min, max }: AxisStyle, vertical: boolean) {
  return {
    name,
    nameLocation: vertical ? ('end' as const) : ('middle' as const),
    nameGap: vertical ? 14 : 30,
    nameTextStyle: { color: color.muted, fontSize: 12, align: vertical ? ('left' as const) : undefined },
    nameMoveOverlap: false,
    min,
    max,
    axisLine: { show: !vertical, lineStyle: { color: color.line } },
    axisTick: { show: false },
    axisLabel: { color: color.muted, fontSize: 12, formatter: format, hideOverlap: true },
    splitLine: { show: true, lineStyle: { color: color.grid, width: 1 } },
    axisPointer: { label: { show: false }, lineStyle: { color: color.muted } },
  };
}

export function linearAxis(style: AxisStyle, vertical = false) {
  return { type: 'value' as const, ...base(style, vertical) };
}

/** A logarithmic axis with ticks at 1, 2 and 5 of each decade, or at the decades alone where it spans many. */
export function logAxis(style: AxisStyle & { min: number; max: number }, vertical = false) {
  const ticks = logTicks(style.min, style.max);
  const common = base(style, vertical);
  return {
    type: 'log' as const,
    ...common,
    axisTick: { show: false, customValues: ticks },
    axisLabel: { ...common.axisLabel, customValues: ticks },
  };
}

/** Round numbers between two positive bounds. */
export function logTicks(min: number, max: number): number[] {
  const decades = Math.log10(max / min);
  const steps =
    decades > 4 ? [1] : decades > 2.5 ? [1, 3] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const step of steps) {
      const tick = Number(`${step}e${power}`);
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return ticks;
}

/** Bounds around positive values for a logarithmic axis, with some air. */
export function logBounds(values: Iterable<number>): { min: number; max: number } {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const value of values) {
    if (value > 0 && value < least) least = value;
    if (value > most && Number.isFinite(value)) most = value;
  }
  if (most === 0) return { min: 0.1, max: 10 };
  // Wide enough for two ticks: the widest gaps between three of them are 7 to 10 to 15.
  const air = Math.max(1.15, (most / least) ** 0.05, Math.sqrt((2.2 * least) / most));
  return { min: least / air, max: most * air };
}
