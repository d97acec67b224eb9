import type { Warning, WarningCode } from '../core/codes.js';
import type { JournalHeader, OkJournalRow } from '../journal/entry.js';

/** Answers shorter than this say nothing of how they were streamed. */
const fewTokens = 8;
/** The share of a request's time in which all of its tokens came, below which something held them back. */
const burst = 0.01;
/** A busy client reads a few answers late too; a proxy holds back all of them. */
const buffered = 0.2;

interface Check {
  code: WarningCode;
  applies(row: Row, planned: Planned): boolean;
  message(count: number, of: number, example: Row, planned: Planned): string;
  hint: string;
  /** The share of requests below which it says nothing. */
  least?: number;
}

type Row = OkJournalRow & Required<Pick<OkJournalRow, 'served'>>;
type Planned = JournalHeader['cells'][number];

const checks: readonly Check[] = [
  {
    code: 'token-counts-differ',
    applies: ({ served, tokens }) =>
      served.clientTokens !== null && served.clientTokens !== tokens.completion,
    message: (count, of, { id, served, tokens }) =>
      `In ${count} of ${of} requests the server counted other completion tokens than it streamed: request ${id} has ${tokens.completion}, and ${served.clientTokens} came.`,
    hint: 'Rows hold both; figures are of what the server counted, which is what it would bill.',
  },
  {
    code: 'prompt-lengths-differ',
    applies: ({ tokens }, { request: { prompt } }) =>
      prompt.kind === 'synthetic' && prompt.tokens !== tokens.prompt,
    message: (count, of, { id, tokens }, { factors }) =>
      `In ${count} of ${of} requests the server counted another length of the prompt than its cell has: request ${id} has ${tokens.prompt} tokens, not ${factors.promptTokens}.`,
    hint: 'Templates and special tokens count. Rows hold what the server counted; cells are named by what was asked for.',
  },
  {
    code: 'answer-lengths-differ',
    applies: ({ tokens }, { request }) =>
      request.stop === 'forced' && tokens.completion !== request.completionTokens,
    message: (count, of, { id, tokens }, { request }) =>
      `In ${count} of ${of} requests the answer has another length than was asked for: request ${id} has ${tokens.completion} tokens, not ${request.completionTokens}.`,
    hint: 'Cells then hold requests of unequal work, which is taken for noise; see answers-unforced.',
  },
  {
    code: 'stream-buffered',
    least: buffered,
    applies: ({ times, tokens }) =>
      tokens.completion >= fewTokens &&
      times.lastToken - times.firstToken < burst * (times.lastToken - times.started),
    message: (count, of, { id, tokens }) =>
      `In ${count} of ${of} requests all tokens came at once: those of request ${id}, ${tokens.completion} of them.`,
    hint: 'Something between client and server holds answers back until they end, so TTFT and TPOT mean nothing. Ask the server directly, or turn off buffering in the proxy.',
  },
  {
    code: 'cached-unknown',
    applies: ({ served }, { request: { prompt } }) => !served.toldCached && prompt.kind === 'text',
    message: (count, of) =>
      `In ${count} of ${of} requests the server did not say how much of the prompt it read from its cache; FLOPs and bytes are counted as if it were none.`,
    hint: 'vLLM says so with --enable-prompt-tokens-details, SGLang with --enable-cache-report.',
  },
  {
    code: 'requests-retried',
    applies: ({ served }) => served.retries > 0,
    message: (count, of) =>
      `${count} of ${of} requests were sent again, as the server had said to try later.`,
    hint: 'Their latency counts from when they were due, the waiting included.',
  },
];

/** Looks rows over for what servers said and did, none of which it keeps. */
export class ServedChecks {
  readonly #planned: ReadonlyMap<string, Planned>;
  readonly #found = new Map<Check, { count: number; first: Row }>();
  #rows = 0;

  constructor(cells: readonly Planned[]) {
    this.#planned = new Map(cells.map((cell) => [cell.id, cell]));
  }

  add(row: OkJournalRow): void {
    if (!isServedRow(row)) return;
    this.#rows++;
    for (const check of checks) {
      if (!check.applies(row, this.#planned.get(row.cell)!)) continue;
      const found = this.#found.get(check);
      if (found === undefined) this.#found.set(check, { count: 1, first: row });
      else found.count++;
    }
  }

  /** One a kind, with the first request that it is of. */
  warnings(): Warning[] {
    return checks.flatMap((check) => {
      const found = this.#found.get(check);
      if (found === undefined || found.count < (check.least ?? 0) * this.#rows) return [];
      const { count, first } = found;
      const message = check.message(count, this.#rows, first, this.#planned.get(first.cell)!);
      return [{ code: check.code, message, hint: check.hint }];
    });
  }
}

const isServedRow = (row: OkJournalRow): row is Row => row.served !== undefined;
