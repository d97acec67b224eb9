import { messageOf, TokenworkError } from '../core/errors.js';

const widthWithoutTerminal = 120;

/**
 * Width and colour of a stream, with COLUMNS, NO_COLOR and FORCE_COLOR heeded, the first of the two over the second. A file or a pipe gets no
 * colour unless it is forced, in CI neither: what is kept there is read by programs too.
 */
export function terminalOf(stream: NodeJS.WriteStream): { width: number; color: boolean } {
  const columns = Number(process.env.COLUMNS);
  return {
    width: columns > 0 ? columns : (stream.columns ?? widthWithoutTerminal),
    color: !process.env.NO_COLOR && (stream.isTTY ? stream.hasColors() : isForced(process.env.FORCE_COLOR)),
  };
}

function isForced(value: string | undefined): boolean {
  return value !== undefined && value !== '0' && value !== 'false';
}

/**
 * Writes data to stdout and waits until it is out: a pipe takes a large result in pieces. A reader that closes early
 * (`tokenwork diff … | head`) is no failure, and what the command finds out still decides its exit code. Throws
 * TokenworkError `stdout-unwritable` (exit code 3).
 */
export async function printData(text: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => (error && !isUnread(error) ? reject(error) : resolve()));
    });
  } catch (cause) {
    throw new TokenworkError(
      'stdout-unwritable',
      `Standard output cannot be written: ${messageOf(cause)}.`,
      'Make room where it goes, or send it elsewhere.',
      { cause },
    );
  }
}

let isClosed = false;

/** Whether a write failed because nobody reads it any more: the first one by EPIPE, those after it by what Node says. */
function isUnread({ code }: NodeJS.ErrnoException): boolean {
  isClosed ||= code === 'EPIPE';
  return isClosed;
}
