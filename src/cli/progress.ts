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

/**
 * A moving line on a terminal; where stderr is not one, nothing but the notes. Redrawn by events and at
 * most five times a second, never by a timer: an animation would burn CPU time beside the requests that
 * are being measured.
 */
export function progressLine(stream: NodeJS.WriteStream, quiet: boolean): ProgressLine {
  const moving = stream.isTTY && !quiet;
  let drawnAt = 0n;
  let drawn = false;
  const clear = () => {
    if (!drawn) return;
    clearTerminalLine(stream);
    drawn = false;
  };
  return {
    show(text) {
      const now = process.hrtime.bigint();
      if (!moving || now - drawnAt < redrawNs) return;
      drawnAt = now;
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
