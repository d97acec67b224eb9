import { createRandom } from '../../stats/random.js';
import type { WaitingClock } from './precise-wait.js';

interface Event {
  atNs: number;
  run(): void;
}

/** A clock of simulated time: events follow each other as soon as what they set off has come to rest. */
export class SimulatedClock implements WaitingClock {
  #nowNs = 0;
  #running = false;
  readonly #events: Event[] = [];
  readonly #random = createRandom(1);
  readonly #timerErrorMs: number;

  /** Timers err by up to `timerErrorMs` either way. */
  constructor({ timerErrorMs = 0 }: { timerErrorMs?: number } = {}) {
    this.#timerErrorMs = timerErrorMs;
  }

  now = (): number => this.#nowNs;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const error = this.#timerErrorMs * (2 * this.#random.uniform() - 1);
    return new Promise((resolve) => {
      signal?.addEventListener('abort', () => resolve(), { once: true });
      this.at(this.#nowNs + Math.max(0, ms + error) * 1e6, resolve);
    });
  }

  turn(): Promise<void> {
    return this.after(50e3);
  }

  after(ns: number): Promise<void> {
    return new Promise((resolve) => this.at(this.#nowNs + ns, resolve));
  }

  /** Runs at that time, or as soon after it as the thread is free. */
  at(atNs: number, run: () => void): void {
    const place = this.#events.findIndex((event) => event.atNs > atNs);
    this.#events.splice(place === -1 ? this.#events.length : place, 0, { atNs, run });
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#step());
  }

  /** From that time on, nothing runs for a while: a long task, or a suspended machine. */
  block(atNs: number, ns: number): void {
    this.at(atNs, () => {
      this.#nowNs += ns;
    });
  }

  #step(): void {
    const event = this.#events.shift();
    this.#running = event !== undefined;
    if (event === undefined) return;
    this.#nowNs = Math.max(this.#nowNs, event.atNs);
    event.run();
    setImmediate(() => this.#step());
  }
}
