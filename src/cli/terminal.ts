import { messageOf, TokenworkError } from '../core/errors.js';

const widthWithoutTerminal = 120;

/**
 * Width and colour of a stream, with COLUMNS, NO_COLOR and FORCE_COLOR heeded. A file or a pipe gets no
 * colour unless it is forced, in CI neither: what is kept there is read by programs too.
 */
export function terminalOf(stream: NodeJS.WriteStream): { width: number; color: boolean } {
  const columns = Number(process.env.COLUMNS);
  return {
    width: columns > 0 ? columns : (stream.columns ?? widthWithoutTerminal),
    color: stream.isTTY ? stream.hasColors() : isForced(process.env.FORCE_COLOR),
  };
}

function isForced(value: string | undefined): boolean {
  return value !== undefined && value !== '0' && value !== 'false';
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const controls = /\u001b(?!\[[\d;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Text for people's eyes: of control characters only line breaks and colours, for a result may hold any. */
export function withoutControls(text: string): string {
  return text.replace(controls, '\ufffd');
}

/**
 * Writes data to stdout and waits until it is out: a pipe takes a large result in pieces. Throws
 * TokenworkError `stdout-unwritable` (exit code 3).
 */
export async function printData(text: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
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
