/** Exit codes of the command line; the numbers are documented in README and never reused. */
export const exitCode = { done: 0, thresholdCrossed: 1, unusableInput: 2, incomplete: 3 } as const;
/** One of the exit codes of the command line. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/**
 * An error a user meets: what happened (`message`), what to do about it (`hint`), a stable `code` in
 * kebab-case, and the original error as `cause`.
 */
export class TokenworkError extends Error {
  override readonly name = 'TokenworkError';
  readonly code: string;
  readonly hint: string;
  readonly exitCode: ExitCode;

  /** `exitCode` is that of unusable input unless another is given. */
  constructor(
    code: string,
    message: string,
    hint: string,
    options: { cause?: unknown; exitCode?: ExitCode } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = hint;
    this.exitCode = options.exitCode ?? exitCode.unusableInput;
  }
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
