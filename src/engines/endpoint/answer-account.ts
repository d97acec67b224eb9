/** Keeps the account of one answer: its tokens, and when they came. */
import type { ServerTimes } from '../../core/records/server.js';
import type { Nanoseconds } from '../../core/units.js';
import type { EventReading, Generation, TokenUsage } from './endpoint.js';

export class AnswerAccount {
  sentNs: Nanoseconds | null = null;
  firstTokenNs: Nanoseconds | null = null;
  answerNs: Nanoseconds | null = null;
  lastTokenNs: Nanoseconds | null = null;
  usage: TokenUsage | null = null;
  serverTimes: ServerTimes | null = null;
  finishReason: string | null = null;
  replica: string | null = null;
  /** As the server counts them on the way. */
  tokensSoFar: number | null = null;
  /** Of events that held text. */
  private readonly textNs: Nanoseconds[] = [];
  /** Of events by which the count rose by one; null once it did otherwise. */
  private tokenNs: Nanoseconds[] | null = [];

  /** Takes an event that arrived at `atNs`. */
  take(event: EventReading, atNs: Nanoseconds): void {
    const holdsText = event.text !== '' || event.reasoning !== '';
    if (holdsText) {
      this.textNs.push(atNs);
      this.firstTokenNs ??= atNs;
      if (event.text !== '') this.answerNs ??= atNs;
      this.lastTokenNs = atNs;
    }
    if (event.tokensSoFar !== null) this.count(event.tokensSoFar, atNs);
    if (event.usage !== null) this.usage = event.usage;
    if (event.times !== null) this.serverTimes = event.times;
    if (event.finishReason !== null) this.finishReason = event.finishReason;
  }

  private count(soFar: number, atNs: Nanoseconds): void {
    const more = soFar - (this.tokensSoFar ?? 0);
    this.tokensSoFar = soFar;
    if (more === 0) return;
    // A last token may have no text of its own, such as the end of text.
    if (this.firstTokenNs !== null) this.lastTokenNs = atNs;
    if (more === 1) this.tokenNs?.push(atNs);
    else this.tokenNs = null;
  }

  get events(): number {
    return this.textNs.length;
  }

  /** The gap before each token but the first; null unless it is known that each event brought one token. */
  gaps(): Nanoseconds[] | null {
    const arrivals = this.arrivals();
    // Half a character is no text, so that a first token may have been counted before it.
    if (arrivals === null || arrivals[0] !== this.firstTokenNs) return null;
    return arrivals.slice(1).map((atNs, index) => atNs - arrivals[index]!);
  }

  private arrivals(): Nanoseconds[] | null {
    const tokens = this.usage?.completion ?? null;
    if (this.tokensSoFar !== null)
      return this.tokenNs !== null && tokens === this.tokenNs.length ? this.tokenNs : null;
    return tokens === this.textNs.length ? this.textNs : null;
  }
}

/** Tokens of which it can be told whether they came one after another. */
const fewTokens = 8;
/** No model makes a token in less, not one of 260,000 parameters. */
const fastestTokenNs = 20_000;
/** An answer whose parts come together after that many times as long a wait was kept back. */
const waitedTimes = 20;

/**
 * Whether a proxy seems to have kept the answer back until it was whole, by the client's times: all of it came faster than
 * any model makes it, after a wait. Time to first token and token gaps say nothing then.
 */
export function cameAtOnce({ times, usage, events }: Generation): boolean {
  const { sentNs, firstTokenNs, lastTokenNs } = times;
  const tokens = usage?.completion ?? events;
  if (firstTokenNs === null || lastTokenNs === null || tokens < fewTokens) return false;
  const spanNs = lastTokenNs - firstTokenNs;
  const waitedNs = firstTokenNs - sentNs;
  const leastNs = tokens * fastestTokenNs;
  return spanNs < leastNs && waitedNs > leastNs && waitedNs > waitedTimes * spanNs;
}
