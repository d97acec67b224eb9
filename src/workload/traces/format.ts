/**
 * traces/ has a file for each format of recorded traces: what a line of it says of a request. Reading files, and the
 * order of what is in them, is `trace.ts` above.
 */
import type { TokenworkError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/units.js';
import type { RecordedTime } from './arrival-times.js';
import { type IdRuns, runsOf } from './block-ids.js';
import { type Moment, momentOf } from './moment.js';

/** The blocks that a prompt begins with: prompts that begin with the same ids begin with the same tokens. */
export interface TraceBlocks {
  ids: IdRuns;
  /** How many there are. */
  count: number;
  /** Tokens in a block; the last one of a prompt may have fewer. */
  size: number;
}

/** A request as some server once received it. */
export interface TraceRequest {
  promptTokens: number;
  completionTokens: number;
  /** From the first request on; null where the trace tells no times. */
  arrivalNs: Nanoseconds | null;
  /** Null where the trace does not say. */
  blocks: TraceBlocks | null;
}

/** A request as its line has it. */
export interface TraceRow {
  promptTokens: number;
  completionTokens: number;
  time: RecordedTime;
  blocks: TraceBlocks | null;
}

/** Makes the error that names the line. */
export type Fail = (problem: string) => TokenworkError;

/** Fields of a line, those of CSV by their column in lower case, and as text. */
export type Fields = Readonly<Record<string, unknown>>;

export interface TraceFormat {
  name: string;
  /** Null for a request that failed when it was recorded. Throws what `fail` makes of a line that cannot be read. */
  read(fields: Fields, fail: Fail): TraceRow | null;
}

export function tokenCount(value: unknown, what: 'prompt' | 'completion', fail: Fail): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  throw fail(`the ${what} length ${found(value)}, and not a whole number of at least 1`);
}

/** Digits as a number; anything else stays what it is, for an error to show. */
export function wholeNumber(text: unknown): unknown {
  return typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : text;
}

/** A time as JSON has it; null where there is none. */
export function numericTime(
  value: unknown,
  what: 'timestamp' | 'delay',
  unit: 'seconds' | 'milliseconds',
  fail: Fail,
): Moment | null {
  if (value === undefined || value === null) return null;
  const moment = typeof value === 'number' ? momentOf(value, unit) : null;
  if (moment !== null) return moment;
  throw fail(`the ${what} ${found(value)}, and not a number of ${unit} of at least 0`);
}

/** The blocks of a prompt; null where there are none. */
export function blocksOf(ids: unknown, size: number, promptTokens: number, fail: Fail): TraceBlocks | null {
  if (ids === undefined || ids === null) return null;
  if (!Array.isArray(ids)) throw fail(`hash_ids ${found(ids)}, and not an array`);
  const bad = ids.findIndex((id) => !Number.isSafeInteger(id) || id < 0);
  if (bad >= 0) {
    const which = `the ${bad + 1}. of hash_ids ${found(ids[bad])}`;
    throw fail(`${which}, and not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  const most = Math.ceil(promptTokens / size);
  if (ids.length > most)
    throw fail(
      `${ids.length} hash_ids are more than the ${most} blocks of ${size} tokens in ${promptTokens}`,
    );
  return ids.length === 0 ? null : { ids: runsOf(ids), count: ids.length, size };
}

/** A value as an error shows it. */
export function found(value: unknown): string {
  if (value === undefined) return 'is missing';
  const shown = JSON.stringify(value);
  return `is ${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown}`;
}
