import { z } from 'zod';
import { type ErrorCode, errorCodes } from '../core/codes.js';
import { logMark } from '../core/log.js';
import type { EndedChild } from '../sensors/bounded-child.js';

/** An error as a child process tells it. */
export const childErrorSchema = z.object({
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && Object.hasOwn(errorCodes, code)),
  message: z.string(),
  hint: z.string(),
});

/** The end of a child that gave no answer, as the rest of a sentence about `what` it did. */
export function withoutAnswer(
  { timedOut, signal, stderr }: EndedChild,
  what: string,
  withinMs: number,
): string {
  const how = timedOut
    ? `it did not answer within ${withinMs / 1000} s`
    : `${what} ended the process${signal ? ` by ${signal}` : ''}`;
  const said = stderr
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith(logMark));
  // Node ends what it says of an uncaught error with its own version.
  const last = (said.find((line) => /^\w*Error\b/.test(line)) ?? said.at(-1))?.slice(0, 300);
  return `${how}${last ? ` (${last})` : ''}`;
}
