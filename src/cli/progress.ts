import { plainText } from '../core/text.js';
import { clearTerminalLine } from './guarded-output.js';

/** A line on stderr that says what is going on. */
export interface ProgressLine {
  show(text: string): void;
  /** Prints a lasting line above the moving one. */
  note(text: string): void;
  clear(): void;
}

const redrawNs = 200_000_000n;

/** Lines in a log that nobody watches. */
const loggedNs = 10_000_000_000n;

/**
 * A moving line on a terminal; where stderr is not one, a lasting line every ten seconds. Redrawn by events and
 * at most five times a second, never by a timer: an animation would burn CPU time beside the requests that
 * are being measured.
 */
export function progressLine(
  stream: NodeJS.WriteStream,
  quiet: boolean,
  now: () => bigint = process.hrtime.bigint,
): ProgressLine {
  const moving = stream.isTTY && !quiet;
  let drawnAt = moving ? 0n : now();
  let drawn = false;
  const clear = () => {
    if (!drawn) return;
    clearTerminalLine(stream);
    drawn = false;
  };
  return {
    show(text) {
      const at = now();
      if (quiet || at - drawnAt < (moving ? redrawNs : loggedNs)) return;
      drawnAt = at;
      if (!moving) {
        stream.write(`${plainText(text)}\n`);
        return;
      }
      clear();
      stream.write(plainText(text).slice(0, Math.max(20, stream.columns - 1)));
      drawn = true;
    },
    note(text) {
      if (quiet) return;
      clear();
      stream.write(`${text}\n`);
    },
    clear,
  };
}
