import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Warning } from '../../core/codes.js';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Hardware } from '../../core/result.js';
import { formatHeader, formatSamples, type RecordedSample } from '../../sensors/session-file.js';

/**
 * Writes the readings of a run's sensors into a file that can be played in place of a machine's sensors.
 * The samples are those that the run collects anyway, and leave in whole lines, one write for each time
 * they are collected: whatever kills the process, what was written can be played. A file that cannot be
 * written any more ends the recording and not the run.
 */
export class SensorRecorder {
  readonly path: string;
  readonly #file: number;
  #bytes = 0;
  /** Sampling begins before all is known that the header says. */
  #early: string[] | null = [];
  #keep = false;
  #ended: string | null = null;
  #told = false;

  private constructor(path: string, file: number) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Opens a new file, before anything is measured. Throws TokenworkError `unwritable-output`, also where
   * the name is `taken` by what else the run writes.
   */
  static create(named: string, taken: readonly string[]): SensorRecorder {
    const path = resolve(named);
    if (taken.includes(path)) {
      throw new TokenworkError(
        'unwritable-output',
        `${path} is where the run's result goes, and cannot hold what its sensors read as well.`,
        'Record into another file with --record-sensors FILE.',
      );
    }
    try {
      return new SensorRecorder(path, openSync(path, 'wx'));
    } catch (cause) {
      const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
      throw new TokenworkError(
        'unwritable-output',
        exists ? `${path} is there already.` : `${path} cannot be created: ${messageOf(cause)}.`,
        exists
          ? 'Remove it, or record into another file with --record-sensors FILE.'
          : 'Choose another place with --record-sensors FILE.',
        { cause },
      );
    }
  }

  /** Writes the header, and what was added before. Where there is nothing to record, a warning waits. */
  begin(header: Parameters<typeof formatHeader>[0]): void {
    const early = this.#early ?? [];
    this.#early = null;
    if (header.sensors.every(({ channels }) => channels.length === 0)) {
      this.#ended = 'no sensor of this machine can be read';
      return;
    }
    this.#write(formatHeader(header) + early.join(''));
  }

  add(samples: readonly RecordedSample[]): void {
    if (samples.length === 0) return;
    const text = formatSamples(samples);
    if (this.#early === null) this.#write(text);
    else this.#early.push(text);
  }

  /** From now on the file is worth keeping, however the run ends. */
  keep(): void {
    this.#keep = true;
  }

  /** Returns, once, the warning about a recording that ended before the run. */
  takeWarnings(): Warning[] {
    if (this.#ended === null || this.#told) return [];
    this.#told = true;
    const found = this.#isKept ? 'holds what was read before' : 'was removed';
    return [
      {
        code: 'recording-cut-short',
        message: `The sensors were not recorded to the end of the run: ${this.#ended}. ${this.path} ${found}.`,
        hint: 'The figures of this run are not affected. See what can be read with: tokenwork doctor',
      },
    ];
  }

  /** Closes the file; one in which nothing lies that was measured is removed. Returns whether it is there. */
  close(): boolean {
    closeSync(this.#file);
    if (!this.#isKept) unlinkSync(this.path);
    return this.#isKept;
  }

  get #isKept(): boolean {
    return this.#keep && this.#bytes > 0;
  }

  #write(text: string): void {
    if (this.#ended !== null) return;
    const lines = Buffer.from(text);
    try {
      for (let written = 0; written < lines.length; ) {
        written += writeSync(this.#file, lines, written, lines.length - written, this.#bytes + written);
      }
      this.#bytes += lines.length;
    } catch (error) {
      this.#ended = messageOf(error);
      this.#cutBack();
    }
  }

  #cutBack(): void {
    try {
      ftruncateSync(this.#file, this.#bytes);
    } catch (error) {
      log('the recording is not cut back: %s', error);
      // Playing it tolerates a torn last line.
    }
  }
}

/** The machine that a recording is made on, in words. */
export function describeMachine({ cpu, gpus }: Hardware, os: string): string {
  const named = gpus.map(({ model, driver }) =>
    typeof driver === 'string' ? `${model} (driver ${driver})` : model,
  );
  return [cpu.brand, ...named, os].join(', ');
}
