import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { Clock } from '../core/clock.js';
import type { Nanoseconds } from '../core/units.js';

/** The rest of a thread between two turns. */
export interface Rest<Message> {
  /** Returns at that time on the run's clock, or sooner when a message has come. */
  until(timeNs: Nanoseconds): Promise<void> | void;
  /** The messages that came since the last call. */
  messages(): Message[];
}

/** A bell that `rest` of another thread waits on; ring it after each message. */
export const bellMemory = (): SharedArrayBuffer => new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);

export function ringBell(bell: SharedArrayBuffer): void {
  const rung = new Int32Array(bell);
  Atomics.add(rung, 0, 1);
  Atomics.notify(rung, 0);
}

const longestMs = 2 ** 31 - 1;

/**
 * Rests without an event loop. Waking from this costs 110 µs of CPU, from a timer of the event loop 290,
 * thirty times a second (a virtual machine, Node 20). Nothing asynchronous goes on in the thread meanwhile.
 */
export function deepRest<Message>(port: MessagePort, bell: SharedArrayBuffer, clock: Clock): Rest<Message> {
  const rung = new Int32Array(bell);
  let heard = Atomics.load(rung, 0);
  return {
    until(timeNs) {
      const waitMs = (timeNs - clock.now()) / 1e6;
      if (waitMs > 0) Atomics.wait(rung, 0, heard, Math.min(waitMs, longestMs));
    },
    messages() {
      // Before the messages are taken: one that comes while they are is then not slept over.
      heard = Atomics.load(rung, 0);
      const taken: Message[] = [];
      for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
        taken.push(next.message);
      }
      return taken;
    },
  };
}

/** Rests in the event loop, for the sake of what arrives through it. */
export function lightRest<Message>(port: MessagePort, clock: Clock): Rest<Message> {
  let arrived: Message[] = [];
  let wake = () => {};
  port.on('message', (message: Message) => {
    arrived.push(message);
    wake();
  });
  return {
    until(timeNs) {
      if (arrived.length > 0) return;
      const waitMs = Math.max(1, Math.round((timeNs - clock.now()) / 1e6));
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, Math.min(waitMs, longestMs));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    },
    messages() {
      const taken = arrived;
      arrived = [];
      return taken;
    },
  };
}
