import { writeSync } from 'node:fs';
import { debuglog, format } from 'node:util';
import { threadId } from 'node:worker_threads';
import { messageOf } from './errors.js';
import { plainText, withoutLogCommands } from './text.js';

const section = 'tokenwork';
/** Begins every line of the log, as Node's own debug output does. */
export const logMark = section.toUpperCase();

let isOn = debuglog(section).enabled;

/** Turns the log on for this process, and for the threads and processes that it starts from now on. */
export function startLog(): void {
  if (isOn) return;
  isOn = true;
  const { NODE_DEBUG: others } = process.env;
  process.env.NODE_DEBUG = others ? `${others},${section}` : section;
}

/**
 * Writes one line to stderr where the log is on (`NODE_DEBUG=tokenwork` or `--verbose`): process, thread where
 * it is not the first, seconds since the process started on the monotonic clock, and the message. `values` fill
 * the message's `%s`, `%d` and `%j` as in `util.format`, an error as its message; nothing is formatted while the
 * log is off.
 *
 * Call it neither between the start and the end of a request on the thread that computes it, nor from a sampling
 * loop: writing a line takes some ten microseconds.
 */
export function log(message: string, ...values: readonly unknown[]): void {
  if (!isOn) return;
  const text = format(message, ...values.map((value) => (value instanceof Error ? messageOf(value) : value)));
  const thread = threadId === 0 ? '' : `/${threadId}`;
  const line = `${logMark} ${process.pid}${thread} +${process.uptime().toFixed(6)} s: ${withoutLogCommands(plainText(text))}\n`;
  try {
    // Not through `process.stderr`: a worker's passes through the main thread, and is lost with the worker.
    writeSync(2, line);
  } catch {
    // A reader of stderr that is gone or slow (EPIPE, EAGAIN) costs this line, and no measurement.
  }
}

/** A handler for a rejection that is no failure here: it logs the error and goes on with `fallback`. */
export function otherwise<Value>(fallback: Value, what: string): (error: unknown) => Value {
  return (error) => {
    log('%s: %s', what, error);
    return fallback;
  };
}
