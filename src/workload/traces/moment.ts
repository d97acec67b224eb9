import type { Nanoseconds } from '../../core/units.js';

/** A point in time in two parts, as nanoseconds since 1970 are no number that a double holds. */
export interface Moment {
  /** Whole. */
  seconds: number;
  /** Beyond them: 0 … 10⁹ − 1. */
  ns: number;
}

/** A number of seconds or milliseconds, to the nearest nanosecond; null where it is negative, or too large to be exact. */
export function momentOf(value: number, unit: 'seconds' | 'milliseconds'): Moment | null {
  if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) return null;
  const perSecond = unit === 'seconds' ? 1 : 1000;
  const seconds = Math.floor(value / perSecond);
  const ns = Math.round((value - seconds * perSecond) * (1e9 / perSecond));
  return ns === 1e9 ? { seconds: seconds + 1, ns: 0 } : { seconds, ns };
}

/** A decimal number of seconds, digit by digit; null for any other text. */
export function decimalSeconds(text: string): Moment | null {
  const [, whole, fraction] = /^(\d{1,15})(?:\.(\d*))?$/.exec(text) ?? [];
  return whole === undefined ? null : { seconds: Number(whole), ns: fractionNs(fraction) };
}

const pattern = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,12}))? ?(?:Z|([+-])([01]\d):?([0-5]\d))?$/;

/** A date and time as in ISO 8601, UTC where it names no offset; null for any other text, and for no such day. */
export function dateTime(text: string): Moment | null {
  const parts = pattern.exec(text);
  if (parts === null) return null;
  const [, day, time, fraction, sign, hours = 0, minutes = 0] = parts;
  const at = Date.parse(`${day}T${time}Z`);
  // Where a month has no such day, V8 takes one of the next.
  if (Number.isNaN(at) || !new Date(at).toISOString().startsWith(day!)) return null;
  const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
  return { seconds: at / 1000 - offset, ns: fractionNs(fraction) };
}

export function nsBetween(from: Moment, to: Moment): Nanoseconds {
  return (to.seconds - from.seconds) * 1e9 + (to.ns - from.ns);
}

function fractionNs(digits = ''): number {
  return Number(digits.slice(0, 9).padEnd(9, '0'));
}
