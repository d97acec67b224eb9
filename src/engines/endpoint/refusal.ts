/** Says what an answer means that is no success, and whether the request may be sent again. */
import type { FailureCode } from '../../core/codes.js';
import { serverWords } from './find-api.js';
import { parsedOrText, redirectTarget, type Transport } from './transport.js';

export interface Failure {
  code: FailureCode;
  message: string;
}

export interface Refusal extends Failure {
  /** The time to wait before it may be sent again; null where it may not. */
  retryAfterMs: number | null;
}

/** A server that asks for more has no place for this request. */
const longestWaitMs = 60_000;
const firstWaitMs = 250;

/**
 * What `status` means. 429 and 503 may be tried again after `Retry-After`, or, where there is none, after a quarter of a
 * second that doubles with each of the `retries` before.
 */
export function refusalOf(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
  retries: number,
  { address, redact }: Transport,
): Refusal {
  const words = serverWords(parsedOrText(body), redact);
  const says = `HTTP ${status}${words === '' ? '' : `: ${words}`}`;
  const target = redirectTarget({ status, headers }, `${address.origin}/`);
  if (status < 400) {
    const where = target === null ? '' : ` to ${redact(target.origin)}`;
    return {
      ...{ code: 'endpoint-redirected', retryAfterMs: null },
      message: `HTTP ${status}: redirected${where}, and requests are sent to no other address`,
    };
  }
  if (status !== 429 && status !== 503) {
    const code = status < 500 ? 'request-refused' : 'server-failed';
    return { code, message: says, retryAfterMs: null };
  }
  const waitMs = retryAfterMs(headers['retry-after'], Date.now()) ?? firstWaitMs * 2 ** Math.min(retries, 16);
  const code = status === 429 ? 'rate-limited' : 'server-overloaded';
  if (waitMs <= longestWaitMs) return { code, message: says, retryAfterMs: waitMs };
  return {
    code,
    message: `${says} (to be tried again in ${Math.round(waitMs / 1000)} s)`,
    retryAfterMs: null,
  };
}

/** `Retry-After` in ms (RFC 9110, 10.2.3): seconds, or a date; null where it is neither. */
function retryAfterMs(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null;
  // Some servers give fractions.
  if (/^\d{1,9}(\.\d+)?$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}
