import { createHash } from 'node:crypto';
import type { Warning } from '../../core/codes.js';
import type { Nanoseconds } from '../../core/units.js';
import type { TraceRequest } from './format.js';
import { type Moment, nsBetween } from './moment.js';
import { badTrace, type ReadRow } from './rows.js';

/** Servers log a request when it ends, or from several threads; what lies further back is another recording. */
const mostBackNs = 60e9;

/** The requests of a trace as they are read, with what is to be said of all of them. */
export class TraceCollector {
  readonly #path: string;
  readonly #requests: TraceRequest[] = [];
  readonly #hash = createHash('sha256');
  #first: Moment | null = null;
  #latestNs = 0;
  #earliestNs = 0;
  /** Lines by what is wrong with them: how many, and the first. */
  readonly #lines = { failed: lines(), backwards: lines(), waiting: lines(), uncovered: lines() };

  constructor(path: string) {
    this.#path = path;
  }

  get count(): number {
    return this.#requests.length;
  }

  /** Throws TokenworkError `bad-trace` for a time that is missing, or far before the one before it. */
  add({ line, format, row }: ReadRow): void {
    if (row === null) {
      note(this.#lines.failed, line);
      return;
    }
    const { promptTokens, completionTokens, time, blocks } = row;
    if (time === 'after-answer') note(this.#lines.waiting, line);
    else this.#refuseMixed(time, line);
    if (blocks !== null && blocks.count < Math.floor(promptTokens / blocks.size))
      note(this.#lines.uncovered, line);
    const arrivalNs = time === null || time === 'after-answer' ? null : this.#arrival(time, line);
    const ids = blocks === null ? '' : `${blocks.size}:${blocks.ids.join()}`;
    this.#hash.update(`${format.name} ${promptTokens} ${completionTokens} ${arrivalNs} ${ids}\n`);
    this.#requests.push({ promptTokens, completionTokens, arrivalNs, blocks });
  }

  /** All requests by arrival, from the first one on. */
  end(): { requests: TraceRequest[]; digest: string; warnings: Warning[] } {
    const requests = this.#requests;
    if (this.#lines.waiting.count > 0) for (const request of requests) request.arrivalNs = null;
    else if (this.#lines.backwards.count > 0) {
      // Array.sort is stable.
      requests.sort((a, b) => a.arrivalNs! - b.arrivalNs!);
      for (const request of requests) request.arrivalNs! -= this.#earliestNs;
    }
    return { requests, digest: this.#hash.digest('hex'), warnings: this.#warnings() };
  }

  #refuseMixed(time: Moment | null, line: number): void {
    const hasTimes = this.#first !== null;
    if (this.#requests.length === this.#lines.waiting.count || hasTimes === (time !== null)) return;
    const problem =
      time === null
        ? 'it has no timestamp, and lines before it have'
        : 'it has a timestamp, and lines before it have none';
    throw badTrace(this.#path, line, problem);
  }

  #arrival(time: Moment, line: number): Nanoseconds {
    this.#first ??= time;
    const arrivalNs = nsBetween(this.#first, time);
    const backNs = this.#latestNs - arrivalNs;
    if (backNs > mostBackNs) {
      const seconds = Math.round(backNs / 1e9).toLocaleString('en');
      throw badTrace(
        this.#path,
        line,
        `its time is ${seconds} s before one above it, which no log is out of order by`,
      );
    }
    if (backNs > 0) note(this.#lines.backwards, line);
    this.#latestNs = Math.max(this.#latestNs, arrivalNs);
    this.#earliestNs = Math.min(this.#earliestNs, arrivalNs);
    return arrivalNs;
  }

  #warnings(): Warning[] {
    const { failed, backwards, waiting, uncovered } = this.#lines;
    const warnings: Warning[] = [];
    if (failed.count > 0)
      warnings.push({
        code: 'trace-failures-left-out',
        message: `${requests(failed)} of the trace failed when it was recorded, without prompt or completion tokens, and left out (first on line ${failed.first}).`,
        hint: 'What they cost their server is not known.',
      });
    if (waiting.count > 0)
      warnings.push({
        code: 'trace-without-times',
        message: `${requests(waiting)} of the trace wait for the answer to another one (a delay in place of a timestamp, first on line ${waiting.first}), so the trace is taken to have no times.`,
        hint: 'Its lengths are measured, each line as a request of its own; give every line a timestamp to replay it by time.',
      });
    else if (backwards.count > 0)
      warnings.push({
        code: 'trace-sorted',
        message: `${requests(backwards)} of the trace stand after later ones (first on line ${backwards.first}), and were sorted by time.`,
        hint: 'Requests of the same time stay as they stand in the file.',
      });
    if (uncovered.count > 0)
      warnings.push({
        code: 'trace-blocks-missing',
        message: `${requests(uncovered)} of the trace have fewer hash_ids than their prompts have blocks (first on line ${uncovered.first}).`,
        hint: "The rest of such a prompt is its own and shared with no other. Check that the trace's blocks are of the size of its format.",
      });
    return warnings;
  }
}

interface Lines {
  count: number;
  first: number;
}
const lines = (): Lines => ({ count: 0, first: 0 });

function note(lines: Lines, line: number): void {
  if (lines.count++ === 0) lines.first = line;
}

const requests = ({ count }: Lines) => `${count} request${count === 1 ? '' : 's'}`;
