import { CommanderError } from 'commander';
import { exitCode } from '../core/codes.js';
import { messageOf, TokenworkError } from '../core/errors.js';

/**
 * Prints one message on stderr for anything that ended a command and returns the exit code. Stack
 * traces only with `verbose`.
 */
export function reportFailure(thrown: unknown, verbose: boolean): number {
  if (thrown instanceof CommanderError) {
    // Commander has printed its own message, and help and version are no failures.
    return thrown.exitCode === 0 ? exitCode.done : exitCode.unusableInput;
  }
  if (thrown instanceof TokenworkError) {
    process.stderr.write(`error: ${thrown.message}\n  ${thrown.hint}\n`);
  } else {
    process.stderr.write(
      `error: ${messageOf(thrown)}\n  This is a fault in tokenwork; run again with --verbose and report what it prints.\n`,
    );
  }
  if (verbose && thrown instanceof Error) process.stderr.write(`${inspectChain(thrown)}\n`);
  return thrown instanceof TokenworkError ? thrown.exitCode : exitCode.incomplete;
}

function inspectChain(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by: ${inspectChain(error.cause)}` : stack;
}
