/** Sends a request once, and reads its answer into the account. */
import type { Dispatcher } from 'undici';
import { messageOf } from '../../core/errors.js';
import { plainText } from '../../core/text.js';
import type { Nanoseconds } from '../../core/units.js';
import type { AnswerAccount } from './answer-account.js';
import { connectionWords } from './connection-error.js';
import type { Dialect, DialectExchange } from './endpoint.js';
import { serverWords } from './find-api.js';
import { type Failure, type Refusal, refusalOf } from './refusal.js';
import { streamReader } from './stream-reader.js';
import { parsedOrText, plainHeaders, type Transport } from './transport.js';

export interface Attempt {
  /** The end of it: null where the answer is whole. Never rejects. */
  ended: Promise<Failure | Refusal | null>;
  /** Ends it now, and closes its connection. */
  stop(failure: Failure): void;
}

export interface AttemptContext {
  transport: Transport;
  dialect: Dialect;
  now(): Nanoseconds;
}

/** What of an answer that is no stream is read. */
const longestRefusal = 64 * 2 ** 10;
/** Events repeat the prompt at most a few times, in whatever escapes. */
const promptRepeats = 8;
const roomForEvent = 4 * 2 ** 20;
/** Of an event with one token; with timings they have some hundred bytes. */
const mostBytesPerToken = 16 * 2 ** 10;
/** Of a token's text, which SGLang repeats in every event after it. */
const mostTextPerToken = 16;
/** Events and tokens beyond those asked for that are no sign of an endless stream. */
const slack = { factor: 4, more: 1000 };
/** After `[DONE]` a server has nothing to send but the end. */
const graceMs = 1000;

/** `retries` is the number of attempts before this one. */
export function attempt(
  { transport, dialect, now }: AttemptContext,
  { path, body, framing }: DialectExchange,
  { maxTokens, retries, account }: { maxTokens: number; retries: number; account: AnswerAccount },
): Attempt {
  let settle!: (failure: Failure | Refusal | null) => void;
  const ended = new Promise<Failure | Refusal | null>((resolve) => {
    settle = resolve;
  });
  const text = JSON.stringify(body);
  const longestAnswer = maxTokens * mostTextPerToken;
  const longestEvent = roomForEvent + promptRepeats * text.length + longestAnswer;
  const mostBytes = longestEvent + maxTokens * (mostBytesPerToken + longestAnswer);
  const mostEvents = maxTokens * slack.factor + slack.more;

  let controller: Dispatcher.DispatchController | null = null;
  let isSettled = false;
  let status = 0;
  let headers: Record<string, string> = {};
  /** An answer that is no stream, a character a byte. */
  let whole: string | null = null;
  let bytes = 0;
  let parsedEvents = 0;
  let isDone = false;
  let grace: NodeJS.Timeout | null = null;
  let arrivedNs: Nanoseconds = 0;

  function finish(failure: Failure | Refusal | null, closes: boolean): void {
    if (isSettled) return;
    isSettled = true;
    if (grace !== null) clearTimeout(grace);
    settle(failure);
    if (closes) controller?.abort(new Error('stopped'));
  }
  const fail = (code: Failure['code'], message: string) =>
    finish({ code, message: plainText(transport.redact(message)) }, true);

  const reader = streamReader(framing, longestEvent, {
    event(event) {
      if (isSettled || isDone) return;
      parsedEvents++;
      const read = dialect.read(event);
      if (read.error !== null)
        return fail('stream-error', `The server says: ${serverWords(read.error, transport.redact)}`);
      account.take(read, arrivedNs);
      if (account.events > mostEvents || (account.tokensSoFar ?? 0) > mostEvents)
        fail(
          'stream-endless',
          `The stream goes on after ${account.events} events with text, and ${maxTokens} tokens were asked for`,
        );
      if (read.isLast) done();
    },
    done,
    error: (data) => {
      if (!isSettled)
        fail(
          'stream-error',
          `The server says: ${serverWords(typeof data === 'string' ? parsedOrText(data) : data, transport.redact)}`,
        );
    },
    bad: (problem) => fail('bad-stream', `The stream holds ${problem}`),
  });

  function done(): void {
    if (isSettled || isDone) return;
    isDone = true;
    grace = setTimeout(() => finish(verdict(), true), graceMs);
  }

  /** Of a stream that ended. */
  function verdict(): Failure | null {
    if (parsedEvents === 0 && bytes > 0 && !isDone)
      return { code: 'bad-stream', message: 'The answer is no stream of events' };
    if (!isDone && account.finishReason === null)
      return { code: 'stream-cut', message: 'The stream ended before the answer did' };
    if (account.usage === null)
      return { code: 'usage-missing', message: 'The server told no number of tokens' };
    return null;
  }

  /** Of an answer in one piece. */
  function judge(bytesRead: string): Failure | Refusal {
    const answer = Buffer.from(bytesRead, 'latin1').toString();
    if (status < 200 || status > 299) return refusalOf(status, headers, answer, retries, transport);
    const read = dialect.read(parsedOrText(answer));
    if (read.error !== null)
      return {
        code: 'stream-error',
        message: `The server says: ${serverWords(read.error, transport.redact)}`,
      };
    const type = headers['content-type'] ?? 'nothing';
    return {
      code: 'bad-stream',
      message: plainText(`The answer is ${type.slice(0, 100)}, not a stream of events`),
    };
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      if (isSettled) started.abort(new Error('stopped'));
      else account.sentNs ??= now();
    },
    onResponseStart(_, statusCode, received) {
      // Informational answers come before the answer.
      if (isSettled || statusCode < 200) return;
      status = statusCode;
      headers = plainHeaders(received);
      const type = headers['content-type'] ?? '';
      const isStream = status < 300 && !/html/i.test(type) && (framing === 'ndjson' || !/json/i.test(type));
      if (!isStream) {
        whole = '';
        return;
      }
      const told = dialect.readHeaders(headers);
      account.replica = told.replica;
      account.usage = told.usage;
      account.serverTimes = told.times;
    },
    onResponseData(_, chunk) {
      if (isSettled) return;
      arrivedNs = now();
      bytes += chunk.length;
      if (whole === null) {
        reader.feed(chunk);
        if (bytes > mostBytes)
          fail(
            'stream-endless',
            `The stream goes on after ${bytes} bytes, and ${maxTokens} tokens were asked for`,
          );
        return;
      }
      whole += chunk.toString('latin1');
      if (bytes > longestRefusal) finish(judge(whole), true);
    },
    onResponseEnd() {
      if (isSettled) return;
      if (whole !== null) return finish(judge(whole), false);
      reader.end();
      finish(verdict(), false);
    },
    onResponseError(_, error) {
      if (isSettled) return;
      if (whole !== null) return finish(judge(whole), false);
      // All that the request asked for may have come before the connection broke.
      if (status !== 0 && verdict() === null) return finish(null, false);
      if (status === 0) fail('connection-failed', `No answer: ${connectionWords(error)}`);
      else fail('stream-cut', `The connection broke in the middle of the answer: ${connectionWords(error)}`);
    },
  };
  try {
    transport.dispatch(
      {
        path: transport.pathOf(path),
        method: 'POST',
        reset: dialect.closesConnections ?? false,
        headers: transport.headers as Record<string, string>,
        body: text,
      },
      handler,
    );
  } catch (thrown) {
    fail('connection-failed', messageOf(thrown));
  }
  return { ended, stop: (failure) => finish(failure, true) };
}
