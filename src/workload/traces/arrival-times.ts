import type { Warning } from '../../core/codes.js';
import type { TokenworkError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/units.js';
import { type Moment, nsBetween } from './moment.js';

/** A request's place in time; `after-answer`: it waits for an answer that its line does not know of. */
export type RecordedTime = Moment | 'after-answer' | null;

/** Servers log a request when it ends, or from several threads; what lies further back is another recording. */
const mostBackNs = 60e9;

/** Lines with something to be said of: how many, and the first. */
export class NotedLines {
  count = 0;
  #first = 0;

  note(line: number): void {
    if (this.count++ === 0) this.#first = line;
  }

  /** `2 requests (first on line 3)`. */
  toString(): string {
    return `${this.count} request${this.count === 1 ? '' : 's'} (first on line ${this.#first})`;
  }
}

/** The times of requests as their lines are read, in the order of the file. */
export class ArrivalTimes {
  readonly #fail: (line: number, problem: string) => TokenworkError;
  readonly #backwards = new NotedLines();
  readonly #waiting = new NotedLines();
  #added = 0;
  #first: Moment | null = null;
  #latestNs = 0;
  #earliestNs = 0;

  constructor(fail: (line: number, problem: string) => TokenworkError) {
    this.#fail = fail;
  }

  /** The time since the file's first. Throws what `fail` makes of one that is missing, or far before one above it. */
  add(time: RecordedTime, line: number): Nanoseconds | null {
    if (time === 'after-answer') this.#waiting.note(line);
    else this.#refuseMixed(time, line);
    this.#added++;
    return time === null || time === 'after-answer' ? null : this.#arrival(time, line);
  }

  /** Sorts requests by arrival (stably), and lets times begin with the first; takes them away where some wait. */
  arrange(requests: { arrivalNs: Nanoseconds | null }[]): void {
    if (this.#waiting.count > 0) for (const request of requests) request.arrivalNs = null;
    else if (this.#backwards.count > 0) {
      requests.sort((a, b) => a.arrivalNs! - b.arrivalNs!);
      for (const request of requests) request.arrivalNs! -= this.#earliestNs;
    }
  }

  get warnings(): Warning[] {
    if (this.#waiting.count > 0)
      return [
        {
          code: 'trace-without-times',
          message: `The trace is taken to have no times: ${this.#waiting} of it with a delay after another answer in place of a timestamp.`,
          hint: 'Each line is measured as a request of its own; give every line a timestamp to replay it by time.',
        },
      ];
    if (this.#backwards.count === 0) return [];
    return [
      {
        code: 'trace-sorted',
        message: `Sorted by time: ${this.#backwards} of the trace standing after later ones.`,
        hint: 'Requests of the same time stay as they stand in the file.',
      },
    ];
  }

  #refuseMixed(time: Moment | null, line: number): void {
    const hasTimes = this.#first !== null;
    if (this.#added === this.#waiting.count || hasTimes === (time !== null)) return;
    throw this.#fail(
      line,
      time === null
        ? 'it has no timestamp, and lines before it have'
        : 'it has a timestamp, and lines before it have none',
    );
  }

  #arrival(time: Moment, line: number): Nanoseconds {
    this.#first ??= time;
    const arrivalNs = nsBetween(this.#first, time);
    const backNs = this.#latestNs - arrivalNs;
    if (backNs > mostBackNs) {
      const seconds = Math.round(backNs / 1e9).toLocaleString('en');
      throw this.#fail(line, `its time is ${seconds} s before one above it, which no log is out of order by`);
    }
    if (backNs > 0) this.#backwards.note(line);
    this.#latestNs = Math.max(this.#latestNs, arrivalNs);
    this.#earliestNs = Math.min(this.#earliestNs, arrivalNs);
    return arrivalNs;
  }
}
