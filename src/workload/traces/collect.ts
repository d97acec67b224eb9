import { createHash } from 'node:crypto';
import type { Warning } from '../../core/codes.js';
import { ArrivalTimes, NotedLines } from './arrival-times.js';
import type { TraceRequest } from './format.js';
import { badTrace, type ReadRow } from './rows.js';

/** The requests of a trace as they are read, with what is to be said of all of them. */
export class TraceCollector {
  readonly #requests: TraceRequest[] = [];
  readonly #hash = createHash('sha256');
  readonly #times: ArrivalTimes;
  readonly #failed = new NotedLines();
  /** Their ids are fewer than their whole blocks. */
  readonly #uncovered = new NotedLines();

  constructor(path: string) {
    this.#times = new ArrivalTimes((line, problem) => badTrace(path, line, problem));
  }

  get count(): number {
    return this.#requests.length;
  }

  /** Throws TokenworkError `bad-trace` for a time that is missing, or far before one above it. */
  add({ line, format, row }: ReadRow): void {
    if (row === null) {
      this.#failed.note(line);
      return;
    }
    const { promptTokens, completionTokens, time, blocks } = row;
    const arrivalNs = this.#times.add(time, line);
    if (blocks !== null && blocks.count < Math.floor(promptTokens / blocks.size)) this.#uncovered.note(line);
    const ids = blocks === null ? '' : `${blocks.size}:${blocks.ids.join()}`;
    this.#hash.update(`${format.name} ${promptTokens} ${completionTokens} ${arrivalNs} ${ids}\n`);
    this.#requests.push({ promptTokens, completionTokens, arrivalNs, blocks });
  }

  /** All requests by arrival, from the first one on. */
  end(): { requests: TraceRequest[]; digest: string; warnings: Warning[] } {
    const requests = this.#requests;
    this.#times.arrange(requests);
    return { requests, digest: this.#hash.digest('hex'), warnings: this.#warnings() };
  }

  #warnings(): Warning[] {
    const warnings: Warning[] = [];
    if (this.#failed.count > 0)
      warnings.push({
        code: 'trace-failures-left-out',
        message: `Left out: ${this.#failed} of the trace without prompt or completion tokens, having failed when it was recorded.`,
        hint: 'What they cost their server is not known.',
      });
    warnings.push(...this.#times.warnings);
    if (this.#uncovered.count > 0)
      warnings.push({
        code: 'trace-blocks-missing',
        message: `Fewer hash_ids than blocks: in ${this.#uncovered} of the trace.`,
        hint: "The rest of such a prompt is its own and shared with no other. Check that the trace's blocks are of the size of its format.",
      });
    return warnings;
  }
}
