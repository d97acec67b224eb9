import { messageOf } from '../../core/errors.js';
import { AnswerAccount } from './answer-account.js';
import { type Attempt, type AttemptContext, attempt } from './attempt.js';
import type {
  DialectExchange,
  Endpoint,
  EndpointApi,
  GenerateControl,
  GenerateRequest,
  Generation,
} from './endpoint.js';
import type { Failure } from './refusal.js';

export interface GeneratorOptions extends AttemptContext {
  model: string;
  api: EndpointApi;
  retries: number;
}

/** `generate` of an endpoint. Latency runs from the first attempt, what was waited between them included. */
export function generator(options: GeneratorOptions): Endpoint['generate'] {
  const { dialect, now } = options;
  const signals = new SignalListeners();
  return async (request, control) => {
    const begunNs = now();
    const account = new AnswerAccount();
    const { failure, retries } = await attempts(options, request, control, account);
    const endedNs = now();
    const { firstTokenNs, answerNs, lastTokenNs, usage, serverTimes, finishReason, replica } = account;
    return {
      outcome: failure === null ? { status: 'ok' } : { status: 'failed', ...failure },
      times: { sentNs: account.sentNs ?? begunNs, firstTokenNs, answerNs, lastTokenNs, endedNs },
      ...{ usage, clientTokens: account.tokensSoFar, events: account.events, tokenGapsNs: account.gaps() },
      ...{ serverTimes, finishReason, replica, retries },
    } satisfies Generation;
  };

  function exchangeOf(request: GenerateRequest): DialectExchange | Failure {
    try {
      return dialect.exchange(request, options.api, options.model);
    } catch (thrown) {
      return { code: 'request-failed', message: messageOf(thrown) };
    }
  }

  async function attempts(
    context: AttemptContext,
    request: GenerateRequest,
    control: GenerateControl,
    account: AnswerAccount,
  ): Promise<{ failure: Failure | null; retries: number }> {
    const exchange = exchangeOf(request);
    if ('code' in exchange) return { failure: exchange, retries: 0 };
    const stopping = stopper(control, signals);
    try {
      for (let retries = 0; ; retries++) {
        if (stopping.failure) return { failure: stopping.failure, retries };
        const sent = attempt(context, exchange, { maxTokens: request.maxTokens, retries, account });
        stopping.stops = (failure) => sent.stop(failure);
        const end = await sent.ended;
        const waitMs = end !== null && 'retryAfterMs' in end ? end.retryAfterMs : null;
        const failure = end && { code: end.code, message: end.message };
        if (waitMs === null || retries >= options.retries) return { failure, retries };
        await stopping.wait(waitMs);
      }
    } finally {
      stopping.release();
    }
  }
}

/** A longer one would end at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Listens once to a signal that thousands of requests share: Node warns of more than ten listeners, and finds each by
 * going through all.
 */
class SignalListeners {
  private readonly stops = new WeakMap<AbortSignal, Set<() => void>>();

  add(signal: AbortSignal, stop: () => void): void {
    const known = this.stops.get(signal);
    if (known) {
      known.add(stop);
      return;
    }
    const all = new Set([stop]);
    this.stops.set(signal, all);
    signal.addEventListener('abort', () => {
      for (const each of all) each();
    });
  }

  remove(signal: AbortSignal, stop: () => void): void {
    this.stops.get(signal)?.delete(stop);
  }
}

/** Stops whatever a request does at its deadline, or when it is no longer wanted. */
function stopper({ deadlineMs, signal }: GenerateControl, signals: SignalListeners) {
  const stopping = {
    failure: null as Failure | null,
    stops: ((): void => {}) as Attempt['stop'],
    /** Resolves after that time, or when the request is stopped. */
    wait: (ms: number) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        stopping.stops = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    release() {
      clearTimeout(deadline);
      if (signal) signals.remove(signal, interrupt);
    },
  };
  const stop = (failure: Failure) => {
    stopping.failure ??= failure;
    stopping.stops(failure);
  };
  const interrupt = () => stop({ code: 'interrupted', message: 'The request was stopped' });
  const deadline =
    deadlineMs === null
      ? undefined
      : setTimeout(
          () => stop({ code: 'deadline-exceeded', message: `The request took longer than ${deadlineMs} ms` }),
          Math.min(Math.max(0, deadlineMs), longestTimerMs),
        );
  if (signal) signals.add(signal, interrupt);
  if (signal?.aborted) interrupt();
  return stopping;
}
