/**
 * import/ makes results of what other load generators measured: latency and tokens are as they recorded them, work
 * is derived from the shape of the model, and all else is null. A `Format` is what is particular to one tool's file.
 */
import { TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { ServedCounts } from '../stages/served-request.js';

/** A run of the other tool: what holds for all of its requests. */
export interface ImportedRun {
  /** The model as the file names it; null where it does not. */
  model: string | null;
  /** Further facts about the model. */
  parameters: number | null;
  /** What tells runs of one file apart, by name; those that differ become factors. */
  setting: Record<string, string | number | boolean>;
  /** Most requests in flight, where the file says. */
  concurrency: number | null;
  /** The engine, or the server that the requests went to. */
  engine: { name: string; version: string | null; device: string | null; threads: number | null };
  machine: { cpu: string; gpus: string[] } | null;
  os: string | null;
  /** Epoch milliseconds; `times`: the times of its requests are by the epoch; null: nothing tells. */
  startedAt: number | 'times' | null;
  /** Where all of the run is on no common clock, how long it took; null: its requests tell. */
  durationNs: Nanoseconds | null;
}

/** A request as the other tool recorded it. */
export interface ImportedRequest {
  run: ImportedRun;
  /** When it was submitted: by the epoch, or any clock that all of the file's requests share. */
  atNs: number;
  outcome: { status: 'ok'; tokens: ServedCounts; times: ImportedTimes } | ImportedFailure;
}

interface ImportedFailure {
  status: 'failed';
  message: string;
  /** Null where nothing tells it. */
  promptTokens: number | null;
}

/** ns since a request was submitted. */
export interface ImportedTimes {
  started: Nanoseconds;
  firstToken: Nanoseconds;
  answerToken: Nanoseconds | null;
  lastToken: Nanoseconds;
  ended: Nanoseconds;
  /** The gap before each token but the first; null where events may have held several. */
  gaps: readonly Nanoseconds[] | null;
}

/** A request as it is kept until its row is made. */
export interface KeptRequest extends Pick<ImportedRequest, 'run' | 'atNs'> {
  outcome:
    | ImportedFailure
    | (Omit<Extract<ImportedRequest['outcome'], { status: 'ok' }>, 'times'> & {
        times: Omit<ImportedTimes, 'gaps'>;
      });
  interTokenLatency: string | null;
}

/** A value of JSON in a file, and where it stands: `FILE:LINE`, or the file alone. */
export interface PlacedValue {
  value: unknown;
  where: string;
}

export interface ImportContext {
  /** Says of the result what holds of `count` requests more (of one by default), in words after their number. */
  note(message: string, count?: number): void;
  /** Counts a text's tokens; null without a tokenizer. */
  countTokens: ((text: string) => number) | null;
}

/** The file of one tool, in the versions that its file here names. */
export interface Format {
  readonly id: string;
  /** The tool, as its own users call it. */
  readonly tool: string;
  /** The file, as one would look for it. */
  readonly file: string;
  /** What such a file cannot tell, in words. */
  readonly cannotTell: string;
  /** Whether the first value of a file is of this tool. */
  recognises(first: Readonly<Record<string, unknown>>): boolean;
  /** Reads a file's values. Throws TokenworkError `bad-import` that names the place. */
  read(values: AsyncIterable<PlacedValue>, context: ImportContext): AsyncGenerator<ImportedRequest>;
}

/** Without the time of a first token there is neither TTFT nor TPOT, and a result has both of every request. */
export const notStreamed = 'left out: no time of a first token, as where answers are not streamed';

export function badImport(where: string, problem: string, hint: string, cause?: unknown): TokenworkError {
  return new TokenworkError('bad-import', `${where}: ${problem}.`, hint, { cause });
}
