import type { Nanoseconds } from '../../core/units.js';
import { givesEnergy } from '../../sampling/attribution/energy-window.js';
import type { SampledSensor } from '../../sampling/attribution/segment.js';
import type { Sample } from '../../sampling/ring.js';
import { enoughTicks } from '../../sampling/window.js';

interface Moves {
  value: number;
  /** The times of the latest moves, oldest first. */
  timesNs: Nanoseconds[];
}

/** When counters of energy moved last, while a run goes on. */
export class CounterMoves {
  readonly #byChannel: Map<number, Moves>;

  constructor(sensors: readonly SampledSensor[]) {
    const counters = sensors
      .flatMap(({ channels }) => channels)
      .filter((channel) => channel.kind === 'counter' && givesEnergy(channel));
    this.#byChannel = new Map(counters.map(({ id }) => [id, { value: Number.NaN, timesNs: [] }]));
  }

  add(samples: readonly Sample[]): void {
    for (const { channel, timeNs, value } of samples) {
      const moves = this.#byChannel.get(channel);
      if (moves === undefined || value === moves.value) continue;
      moves.value = value;
      moves.timesNs.push(timeNs);
      if (moves.timesNs.length > enoughTicks + 1) moves.timesNs.shift();
    }
  }

  /** Whether every counter moved often enough since; one that gives no value now is not waited for. */
  enoughSince(sinceNs: Nanoseconds): boolean {
    for (const { value, timesNs } of this.#byChannel.values()) {
      if (Number.isNaN(value)) continue;
      if (timesNs.length <= enoughTicks || timesNs[0]! < sinceNs) return false;
    }
    return true;
  }
}
