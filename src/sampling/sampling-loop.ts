import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { SampleSink } from '../sensors/sensor.js';
import type { OpenedSensor } from './opened-sensor.js';
import type { SampleRing } from './ring.js';

/** A loop's account of one sensor. */
export interface SensorActivity {
  name: string;
  /** Values taken; gaps are not counted. */
  samples: number;
  /** Samples dropped because the ring was full. */
  dropped: number;
  /** Readings due that came so late that the next was due as well. */
  missed: number;
  /** Segments, over all channels, in which a channel gave no value though it was read. */
  gaps: number;
  /** Channels that ended before the loop did, and why. */
  lost: { channel: number; atNs: Nanoseconds; why: string }[];
}

interface Slot {
  opened: OpenedSensor;
  activity: SensorActivity;
  sink: SampleSink;
  dueNs: Nanoseconds;
  periodNs: Nanoseconds;
  ended: boolean;
}

/**
 * What is due within so much of its own period is read along with what is due now. Waking costs more than
 * reading (110 µs of CPU against 40 on a virtual machine), so sensors share wakes where it does not matter.
 */
const early = 0.1;
const lingerMostNs = 250e6;

/** Reads opened sensors, each at its own rate, into a ring. Whoever drives it sleeps between its turns. */
export class SamplingLoop {
  readonly #slots: Slot[];
  readonly #clock: Clock;
  readonly #ring: SampleRing;
  readonly #inGap = new Set<number>();

  constructor(opened: readonly OpenedSensor[], ring: SampleRing, clock: Clock, rateFactor = 1) {
    this.#ring = ring;
    this.#clock = clock;
    this.#slots = opened.map((sensor) => {
      const activity: SensorActivity = {
        name: sensor.record.name,
        samples: 0,
        dropped: 0,
        missed: 0,
        gaps: 0,
        lost: [],
      };
      return {
        opened: sensor,
        activity,
        sink: this.#sinkFor(sensor, activity),
        dueNs: clock.now(),
        periodNs: Math.max(1e6, sensor.record.periodNs! / rateFactor),
        ended: false,
      };
    });
  }

  get activities(): SensorActivity[] {
    return this.#slots.map(({ activity }) => activity);
  }

  /** Whether a sensor's values arrive through the thread's event loop, which must then be let run. */
  get awaitsEvents(): boolean {
    return this.#slots.some(({ ended, opened }) => !ended && opened.sensor.arrives);
  }

  /**
   * For how long to read on after the last window has ended: as long as the slowest counter may take to
   * tick, so that there is a tick after that window's end.
   */
  get lingerNs(): Nanoseconds {
    const periodsNs = this.#slots.flatMap(({ opened }) =>
      opened.record.channels.map(({ counterPeriodNs, kind }) =>
        kind === 'counter' ? (counterPeriodNs ?? 0) : 0,
      ),
    );
    return Math.min(lingerMostNs, 1.5 * Math.max(0, ...periodsNs));
  }

  /** Reads what is due, and says when something is due next: `Infinity` where every sensor has ended. */
  turn(): Nanoseconds {
    const nowNs = this.#clock.now();
    let nextNs = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots) {
      if (slot.ended) continue;
      if (slot.dueNs <= nowNs + early * slot.periodNs) {
        this.#read(slot);
        const late = Math.max(0, Math.floor((nowNs - slot.dueNs) / slot.periodNs));
        slot.activity.missed += late;
        slot.dueNs += (late + 1) * slot.periodNs;
      }
      if (!slot.ended) nextNs = Math.min(nextNs, slot.dueNs);
    }
    return nextNs;
  }

  /** Reads every sensor for the last time and closes it. */
  close(): void {
    for (const slot of this.#slots) {
      if (slot.ended) continue;
      this.#read(slot);
      if (!slot.ended) slot.opened.sensor.close();
      slot.ended = true;
    }
  }

  #read(slot: Slot): void {
    try {
      slot.opened.sensor.read(slot.sink);
    } catch (error) {
      slot.ended = true;
      const why = messageOf(error);
      for (const channel of slot.opened.record.channels.keys()) slot.sink.lose(channel, why);
      slot.opened.sensor.close();
    }
  }

  #sinkFor({ record }: OpenedSensor, activity: SensorActivity): SampleSink {
    const put = (channel: number, value: number, atNs = this.#clock.now()) => {
      const { id } = record.channels[channel]!;
      const known = Number.isFinite(value);
      if (known) {
        this.#inGap.delete(id);
        activity.samples++;
      } else {
        if (this.#inGap.has(id)) return; // One mark tells of the whole gap.
        this.#inGap.add(id);
        activity.gaps++;
      }
      if (!this.#ring.push(atNs, id, known ? value : Number.NaN)) activity.dropped++;
    };
    const lost = new Set<number>();
    return {
      put,
      lose: (channel, why) => {
        if (lost.has(channel)) return;
        lost.add(channel);
        const atNs = this.#clock.now();
        put(channel, Number.NaN, atNs);
        activity.lost.push({ channel: record.channels[channel]!.id, atNs, why });
      },
    };
  }
}
