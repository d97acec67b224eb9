import { basename } from 'node:path';
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import { type Sensor, systems } from './sensor.js';
import { type OpenSession, openSession, type RecordedSample, type SessionHeader } from './session-file.js';

/**
 * The sensors of a recorded session, played as if its machine were this one: for tests and demonstrations,
 * and to show on a laptop what a run on a GPU looks like. The first sample falls on the moment at which the
 * first of them is opened, and all keep their distances; when the recording is over, the sensors end.
 */
export function recordedSensors(path: string): Sensor[] {
  let player: SessionPlayer;
  try {
    player = new SessionPlayer(path);
  } catch (error) {
    const hint = messageOf(error);
    return [
      {
        name: 'recorded',
        platforms: systems,
        reads: path,
        open: async () => ({ reason: 'unsupported', hint }),
      },
    ];
  }
  return player.header.sensors.map(({ name, reads, ...record }, index) => ({
    name,
    platforms: systems,
    reads: `${reads}; recorded on another machine (${basename(path)})`,
    async open(clock) {
      const { reason, periodNs, channels } = record;
      if (reason !== null || periodNs === null) {
        return { reason: reason ?? 'unsupported', hint: elsewhere(record.hint ?? '') };
      }
      player.open(index, clock);
      return {
        channels: channels.map(({ id: _, counterPeriodNs: __, periodResolved: ___, ...channel }) => channel),
        missing: record.missing.map((channel) => ({ ...channel, hint: elsewhere(channel.hint) })),
        periodNs,
        ticks: channels.map(({ counterPeriodNs, periodResolved }) => ({ counterPeriodNs, periodResolved })),
        arrives: true,
        read: (sink) => {
          for (const { timeNs, channel, value } of player.due(index, clock.now())) {
            sink.put(channel, value, timeNs);
          }
        },
        close: () => player.close(index),
      };
    },
  }));
}

const elsewhere = (hint: string): string => `On the machine that was recorded: ${hint}`;

/** Hands the samples of one file to the sensors that they are of, as their time comes. */
class SessionPlayer {
  readonly #session: OpenSession;
  readonly #path: string;
  /** Keyed by channel id: whose it is, as which of its channels, and what a counter showed last. */
  readonly #channels: ReturnType<typeof channelsOf>;
  /** Keyed by sensor; null where it is closed. */
  readonly #due: (RecordedSample[] | null)[];
  #offsetNs: Nanoseconds | null = null;
  /** Null where the recording is over. */
  #next: RecordedSample | null = null;
  #open = 0;

  constructor(path: string) {
    this.#path = path;
    this.#session = openSession(path);
    this.#channels = channelsOf(this.header);
    this.#due = this.header.sensors.map(() => null);
    this.#next = this.#advance();
  }

  get header(): SessionHeader {
    return this.#session.header;
  }

  open(sensor: number, clock: Clock): void {
    this.#offsetNs ??= clock.now() - (this.#next?.timeNs ?? 0);
    this.#due[sensor] = [];
    this.#open++;
  }

  /** Takes out what a sensor read until now. Throws where the recording is over. */
  due(sensor: number, nowNs: Nanoseconds): RecordedSample[] {
    const offsetNs = this.#offsetNs ?? 0;
    while (this.#next !== null && this.#next.timeNs + offsetNs <= nowNs) {
      this.#hand(this.#next, offsetNs);
      this.#next = this.#advance();
    }
    const samples = this.#due[sensor] ?? [];
    if (samples.length === 0 && this.#next === null) {
      throw new Error(`the recording ${basename(this.#path)} is over.`);
    }
    this.#due[sensor] = [];
    return samples;
  }

  close(sensor: number): void {
    this.#due[sensor] = null;
    this.#open--;
    if (this.#open === 0) this.#session.close();
  }

  #hand({ timeNs, channel, value }: RecordedSample, offsetNs: Nanoseconds): void {
    const of = this.#channels.get(channel)!;
    const due = this.#due[of.sensor];
    if (!due) return;
    const sample = { timeNs: timeNs + offsetNs, channel: of.index, value };
    // What sensors promise of counters, some of the kernel's do not keep.
    if (of.isCounter && value < of.last) due.push({ ...sample, value: Number.NaN });
    of.last = value;
    due.push(sample);
  }

  #advance(): RecordedSample | null {
    const { value, done } = this.#session.samples.next();
    return done ? null : value;
  }
}

function channelsOf({ sensors }: SessionHeader) {
  return new Map(
    sensors.flatMap(({ channels }, sensor) =>
      channels.map(({ id, kind }, index) => [
        id,
        { sensor, index, isCounter: kind === 'counter', last: Number.NaN },
      ]),
    ),
  );
}
