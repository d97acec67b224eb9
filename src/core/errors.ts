import { type ErrorCode, type ExitCode, exitCodeOf } from './codes.js';

/**
 * An error a user meets: what happened (`message`), what to do about it (`hint`), a stable `code`, which
 * decides the exit code, and the original error as `cause`.
 *
 * @example
 * ```js
 * try {
 *   await bench({ models: ['tinny'] });
 * } catch (thrown) {
 *   if (!(thrown instanceof TokenworkError)) throw thrown;
 *   console.log(thrown.code, thrown.message, thrown.hint); // unknown-model … Did you mean "tiny"? …
 * }
 * ```
 */
export class TokenworkError extends Error {
  override readonly name = 'TokenworkError';
  readonly code: ErrorCode;
  readonly hint: string;
  /** The exit code of the command line. */
  readonly exitCode: ExitCode;

  /** `options.cause` is the original error. */
  constructor(code: ErrorCode, message: string, hint: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCodeOf(code);
  }
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
