import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { messageOf, TokenworkError } from '../core/errors.js';
import type { Warning } from '../core/result.js';
import { machineSensors, type SensorSpec } from '../sensors/catalogue.js';
import { parseSession } from '../sensors/session-file.js';

/**
 * What to sample beside the requests: `auto` (all that this machine has), `none`, `recorded:FILE` (a
 * session that was recorded before, played as if it were this machine), or sensors by name, for trees and
 * libraries that stand in for a machine's own.
 */
export type SensorChoice = 'auto' | 'none' | `recorded:${string}` | readonly SensorSpec[];

const recordedPrefix = 'recorded:';

/** The choice that a text stands for, or null where it stands for none. */
export function parseSensorChoice(text: string): Exclude<SensorChoice, readonly SensorSpec[]> | null {
  if (text === 'auto' || text === 'none') return text;
  const isRecorded = text.startsWith(recordedPrefix) && text.length > recordedPrefix.length;
  return isRecorded ? (text as `recorded:${string}`) : null;
}

/** As the journal keeps it; sensors by name cannot be told from it, and must be given again to resume. */
export const namedChoice = (choice: SensorChoice): string => (typeof choice === 'string' ? choice : 'custom');

export interface ChosenSensors {
  specs: readonly SensorSpec[];
  /** The file whose recording stands in for this machine. */
  recorded: string | null;
  warnings: Warning[];
}

/**
 * The sensors of a choice. Throws TokenworkError `no-session` or `bad-session` for a recording that cannot
 * be played, before anything is measured.
 */
export function chosenSensors(choice: SensorChoice): ChosenSensors {
  if (choice === 'auto') return { specs: machineSensors(), recorded: null, warnings: [] };
  if (choice === 'none') return { specs: [], recorded: null, warnings: [] };
  if (typeof choice !== 'string') return { specs: choice, recorded: null, warnings: [] };
  const path = choice.slice(recordedPrefix.length);
  const { machine } = parseSession(readSession(path), basename(path));
  return {
    specs: [{ sensor: 'recorded', path }],
    recorded: path,
    warnings: [
      {
        code: 'recorded-sensors',
        message: `Energy, GPU time and the time line are NOT of this machine: they were played from ${basename(path)}, recorded on ${machine}.`,
        hint: 'They show what such a result looks like. Measure without --sensors for figures of this machine.',
      },
    ],
  };
}

function readSession(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TokenworkError(
      'no-session',
      `The recorded session ${path} cannot be read: ${messageOf(cause)}.`,
      'Name a file of recorded samples with --sensors recorded:FILE, or leave --sensors out.',
      { cause },
    );
  }
}
