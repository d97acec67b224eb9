/** For tests of sensors: a clock that is set by hand, and one reading with its channels' names. */
import type { Clock } from '../core/clock.js';
import { isAbsence, type OpenSensor, type Sensor } from './sensor.js';

export interface FakeClock extends Clock {
  advance(ns: number): void;
}

export function fakeClock(startNs = 1e9): FakeClock {
  let nowNs = startNs;
  return {
    now: () => nowNs,
    advance: (ns) => {
      nowNs += ns;
    },
  };
}

export async function openOrFail(sensor: Sensor, clock: Clock = fakeClock()): Promise<OpenSensor> {
  const answer = await sensor.open(clock);
  if (isAbsence(answer)) throw new Error(`${sensor.name} is unavailable (${answer.reason}): ${answer.hint}`);
  return answer;
}

export interface Reading {
  /** The last value of each channel, by `device quantity`. */
  latest: Record<string, number>;
  timesNs: (number | undefined)[];
  lost: Record<string, string>;
}

export function record(sensor: OpenSensor): Reading {
  const reading: Reading = { latest: {}, timesNs: [], lost: {} };
  const name = (channel: number) => {
    const { device, quantity } = sensor.channels[channel]!;
    return `${device} ${quantity}`;
  };
  sensor.read({
    put: (channel, value, atNs) => {
      reading.latest[name(channel)] = value;
      reading.timesNs.push(atNs);
    },
    lose: (channel, why) => {
      reading.lost[name(channel)] = why;
    },
  });
  return reading;
}
