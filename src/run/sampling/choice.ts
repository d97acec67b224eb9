import { basename, resolve } from 'node:path';
import type { Warning } from '../../core/codes.js';
import type { PlayedRecording } from '../../journal/samples.js';
import { machineSensors, type SensorSpec } from '../../sensors/catalogue.js';
import { checkSession } from '../../sensors/session-file.js';

/**
 * The choice of sensors to sample beside the requests: `auto` (all that this machine has), `none`, `recorded:FILE` (a
 * recording, played as if it were this machine), or sensors by name, for trees and
 * libraries that stand in for a machine's own.
 */
export type SensorChoice = 'auto' | 'none' | `recorded:${string}` | readonly SensorSpec[];

const recordedPrefix = 'recorded:';

/** The absolute path of the recording that a choice names; null where it names none. */
export function recordingPathOf(choice: SensorChoice): string | null {
  if (typeof choice !== 'string' || !choice.startsWith(recordedPrefix)) return null;
  return resolve(choice.slice(recordedPrefix.length));
}

/** The choice as the journal keeps it; sensors by name cannot be told from it, and must be given again to resume. */
export function namedChoice(choice: SensorChoice): string {
  if (typeof choice !== 'string') return 'custom';
  const path = recordingPathOf(choice);
  return path === null ? choice : `${recordedPrefix}${path}`;
}

export interface ChosenSensors {
  specs: readonly SensorSpec[];
  /** The recording that stands in for this machine. */
  recorded: PlayedRecording | null;
  warnings: Warning[];
}

/**
 * The sensors of a choice. Throws TokenworkError `no-session` or `bad-session` for a recording that cannot
 * be played to its end, before anything is measured.
 */
export function chosenSensors(choice: SensorChoice): ChosenSensors {
  if (choice === 'auto') return { specs: machineSensors(), recorded: null, warnings: [] };
  if (choice === 'none') return { specs: [], recorded: null, warnings: [] };
  if (typeof choice !== 'string') return { specs: choice, recorded: null, warnings: [] };
  const path = recordingPathOf(choice)!;
  const { header, sha256 } = checkSession(path);
  const { machine, recordedAt, usesGpu } = header;
  const file = basename(path);
  return {
    specs: [{ sensor: 'recorded', path }],
    recorded: { path, file, sha256, machine, recordedAt, usesGpu },
    warnings: [
      {
        code: 'recorded-sensors',
        message: `Energy, GPU time and the time line are NOT of this machine: they were played from ${file}, recorded on ${machine} at ${recordedAt}.`,
        hint: 'They show what such a result looks like. Measure without --sensors for figures of this machine.',
      },
    ],
  };
}
