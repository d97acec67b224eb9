import { rootCertificates } from 'node:tls';
import { type Dispatcher, Pool } from 'undici';
import { log } from '../../core/log.js';
import type { Address } from './address.js';
import type { EndpointOptions, ProbeAnswer } from './endpoint.js';
import { headersOf, redaction } from './secrets.js';

/** Connections to the one origin of a server: nothing is sent anywhere else. */
export interface Transport {
  readonly address: Address;
  readonly headers: Readonly<Record<string, string>>;
  redact(text: string): string;
  /** A path beginning with `/` is below the server's root, any other below the address. */
  pathOf(path: string): string;
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  /** Asks at a whole path, following redirects of GETs within the origin. Rejects with the errors of the connection. */
  ask(path: string, limits: AskLimits, body?: Record<string, unknown>): Promise<Asked>;
  close(): Promise<void>;
}

interface AskLimits {
  timeoutMs: number;
  /** What is beyond is not read. */
  bytes: number;
}

export interface Asked extends ProbeAnswer {
  /** Whether there was more than was read. */
  cutShort: boolean;
}

const mostRedirects = 3;
/** A server that takes longer to accept a connection is as good as none. */
const connectTimeoutMs = 10_000;

/** Opens no connection yet. Throws TokenworkError `bad-option` where key or headers cannot be sent. */
export function openTransport(address: Address, options: EndpointOptions): Transport {
  const ca = options.certificateAuthority;
  const pool = new Pool(address.origin, {
    connections: options.connections,
    pipelining: 1,
    // A long prompt or a slow model is no error: deadlines are the request's.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: connectTimeoutMs, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) },
  });
  const headers = headersOf(options, address);
  const pathOf = (path: string) =>
    `${path.startsWith('/') ? `${address.root}${path}` : `${address.base}/${path}`}${address.query}`;

  async function ask(path: string, limits: AskLimits, body?: Record<string, unknown>): Promise<Asked> {
    const signal = AbortSignal.timeout(limits.timeoutMs);
    let to = path;
    for (let redirects = 0; ; redirects++) {
      const asked = await askOnce(to, limits.bytes, signal, body);
      const next = redirects < mostRedirects && body === undefined ? withinOrigin(asked, to) : null;
      if (next === null) return asked;
      to = next;
    }
  }

  async function askOnce(path: string, most: number, signal: AbortSignal, body: unknown): Promise<Asked> {
    const answer = await pool.request({
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    });
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.length;
      // Leaving the loop closes the connection.
      if (bytes > most) break;
    }
    const text = Buffer.concat(parts).subarray(0, most).toString();
    return {
      status: answer.statusCode,
      headers: plainHeaders(answer.headers),
      body: parsedOrText(text),
      cutShort: bytes > most,
    };
  }

  /** The path that a redirect leads to, where it is of this origin. */
  function withinOrigin(asked: Asked, from: string): string | null {
    const target = redirectTarget(asked, `${address.origin}${from}`);
    return target?.origin === address.origin ? `${target.pathname}${target.search}` : null;
  }

  return {
    address,
    headers: { ...headers, 'content-type': 'application/json' },
    redact: redaction(options, address),
    pathOf,
    dispatch: (request, handler) => {
      pool.dispatch(request, handler);
    },
    ask,
    // Requests in flight are aborted: whoever waits for them has stopped them before.
    close: () => pool.destroy(),
  };
}

/** Where an answer redirects to; null where it does not. */
export function redirectTarget(answer: Pick<ProbeAnswer, 'status' | 'headers'>, from: string): URL | null {
  const { location } = answer.headers;
  if (answer.status < 300 || answer.status > 399 || location === undefined) return null;
  return URL.canParse(location, from) ? new URL(location, from) : null;
}

/** Headers by names in lower case; those that come several times are joined. */
export function plainHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value !== undefined) plain[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return plain;
}

export function parsedOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    log('an answer that is no JSON: %s', error);
    return text;
  }
}
