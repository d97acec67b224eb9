import { type Dispatcher, Pool } from 'undici';
import type { Clock } from '../../core/clock.js';
import { messageOf } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import type { AbsenceReason } from '../../core/work.js';
import { PrometheusReader, type PrometheusReading } from './prometheus-text.js';

export interface ScrapeTarget {
  /** Address of the metrics; `/metrics` where it has no path. */
  url: string;
  /** Sent along, and kept nowhere. */
  headers?: Readonly<Record<string, string>>;
  /** PEM of authorities to trust beside the system's. */
  certificateAuthority?: string;
}

export interface Scrape {
  reading: PrometheusReading;
  /** Halfway between the question and the beginning of the answer. */
  atNs: Nanoseconds;
  /** Time that reading the text took of this thread. */
  readingNs: Nanoseconds;
  /** Changes when the server starts anew, where it tells. */
  started: string | null;
}

/** An answer that holds no metrics. */
export class ScrapeError extends Error {
  readonly reason: AbsenceReason;
  constructor(reason: AbsenceReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

const answerWithinMs = 5000;
const mostBytes = 64 * 2 ** 20;

export interface Scraper {
  /** Throws `ScrapeError`. */
  scrape(): Promise<Scrape>;
  close(): void;
}

/** Asks one address for its metrics, over a connection that is kept. Throws `ScrapeError` for what is no address. */
export function openScraper(
  { url, headers, certificateAuthority }: ScrapeTarget,
  wanted: ReadonlySet<string>,
  clock: Clock,
): Scraper {
  const address = addressOf(url);
  if (address === null) {
    throw new ScrapeError('unsupported', 'The address of the metrics is no http:// or https:// address.');
  }
  const shown = shownAddress(url);
  const login = `${decodeURIComponent(address.username)}:${decodeURIComponent(address.password)}`;
  const sent = {
    accept: 'text/plain;version=0.0.4, text/plain;q=0.5, */*;q=0.1',
    'accept-encoding': 'identity',
    ...(login !== ':' && { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
    ...Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])),
  };
  const pool = new Pool(address.origin, {
    connections: 1,
    connect: { timeout: answerWithinMs, ...(certificateAuthority && { ca: certificateAuthority }) },
    headersTimeout: answerWithinMs,
    bodyTimeout: answerWithinMs,
  });
  const ask = async (): Promise<Scrape> => {
    const askedNs = clock.now();
    const signal = AbortSignal.timeout(3 * answerWithinMs);
    const path = address.pathname + address.search;
    const answer = await pool.request({ method: 'GET', path, headers: sent, signal });
    const atNs = (askedNs + clock.now()) / 2;
    try {
      checkAnswer(answer, shown);
      const { reading, readingNs } = await readBody(answer.body, wanted, shown, clock);
      const started = answer.headers['process-start-time-unix'];
      return { reading, atNs, readingNs, started: typeof started === 'string' ? started : null };
    } finally {
      // What is left of an answer that nobody reads would hold the connection.
      if (!answer.body.readableEnded) answer.body.on('error', () => {}).destroy();
    }
  };
  return {
    scrape: () =>
      ask().catch((error: unknown) => {
        if (error instanceof ScrapeError) throw error;
        throw new ScrapeError('unsupported', `${shown} cannot be asked: ${causeOf(error)}`, { cause: error });
      }),
    close: () => void pool.destroy().catch(otherwise(undefined, 'closing the scraper')),
  };
}

/** The address without credentials and query, to be shown and recorded. */
export function shownAddress(url: string): string {
  const address = addressOf(url);
  return address === null ? 'no address' : `${address.origin}${address.pathname}`;
}

function addressOf(url: string): URL | null {
  const address = URL.canParse(url) ? new URL(url) : null;
  if (address === null || !/^https?:$/.test(address.protocol)) return null;
  if (address.pathname === '/') address.pathname = '/metrics';
  return address;
}

function checkAnswer({ statusCode, headers }: Dispatcher.ResponseData, shown: string): void {
  const refuse = (reason: AbsenceReason, what: string) => {
    throw new ScrapeError(reason, `${shown} ${what}`);
  };
  if (statusCode === 401 || statusCode === 403) {
    refuse('permission', `answers ${statusCode}: it wants a key, or does not take this one.`);
  }
  if (statusCode === 404 || statusCode === 501) {
    refuse(
      'unsupported',
      `answers ${statusCode}: it shows no metrics there. vLLM shows them at /metrics, SGLang with --enable-metrics, llama.cpp with --metrics.`,
    );
  }
  if (statusCode >= 300 && statusCode < 400) {
    const to = String(headers.location ?? '');
    const target = URL.canParse(to, shown) ? new URL(to, shown) : null;
    refuse(
      'unsupported',
      `redirects to ${target ? `${target.origin}${target.pathname}` : 'another address'}, where no key follows; give that address.`,
    );
  }
  if (statusCode !== 200) refuse('unsupported', `answers ${statusCode}.`);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    refuse('unsupported', `answers in ${encoding}, though it was asked for plain text.`);
  }
}

async function readBody(
  body: AsyncIterable<Buffer>,
  wanted: ReadonlySet<string>,
  shown: string,
  clock: Clock,
): Promise<Pick<Scrape, 'reading' | 'readingNs'>> {
  const reader = new PrometheusReader(wanted);
  let bytes = 0;
  let readingNs = 0;
  let begun = false;
  for await (const chunk of body) {
    const fromNs = clock.now();
    if (!begun) {
      const first = /\S/.exec(chunk.toString('latin1', 0, 1024))?.[0];
      begun = first !== undefined;
      if (first === '<')
        throw new ScrapeError('unsupported', `${shown} answers with a web page, not with metrics.`);
      if (first === '{' || first === '[')
        throw new ScrapeError(
          'unsupported',
          `${shown} answers in JSON, not with metrics in Prometheus's text format.`,
        );
    }
    bytes += chunk.length;
    if (bytes > mostBytes) {
      throw new ScrapeError(
        'unsupported',
        `${shown} answers with more than ${mostBytes / 2 ** 20} MiB, which is not read; give the address of one server's or exporter's own metrics.`,
      );
    }
    reader.push(chunk);
    readingNs += clock.now() - fromNs;
  }
  const reading = reader.end();
  if (reading.dropped > 0) {
    throw new ScrapeError(
      'unsupported',
      `${shown} shows ${reading.dropped} samples more than are read; give the address of one server's or exporter's own metrics.`,
    );
  }
  return { reading, readingNs };
}

/** undici says "fetch failed", and Node of several addresses nothing at all; the reason lies deeper. */
function causeOf(error: unknown): string {
  const { cause, code } = error as { cause?: unknown; code?: unknown };
  if (error instanceof AggregateError) return causeOf(error.errors.at(-1));
  if (error instanceof Error && error.name === 'TimeoutError') return 'it did not answer in time';
  return messageOf(error) || (cause === undefined ? String(code) : causeOf(cause));
}
