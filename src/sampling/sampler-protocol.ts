import type { Nanoseconds } from '../core/units.js';
import type { SensorSpec } from '../sensors/catalogue.js';
import type { SensorRecord } from './opened-sensor.js';
import type { SensorActivity } from './sampling-loop.js';

/** The data that the sampler's thread is started with. */
export interface SamplerTask {
  sensors: readonly SensorSpec[];
  /** The run's origin on the system's monotonic clock, which every thread shares. */
  originNs: bigint;
  ring: SharedArrayBuffer;
  /** Rung after each message, for a thread that rests without an event loop. */
  bell: SharedArrayBuffer;
  calibrateForNs: Nanoseconds;
  /** Reads so many times more often than is the default. */
  rateFactor: number;
}

export type ToSampler = { kind: 'stop' } | { kind: 'clock' };

export type FromSampler =
  | { kind: 'ready'; records: SensorRecord[] }
  | { kind: 'clock'; nowNs: Nanoseconds }
  | {
      kind: 'stopped';
      startedNs: Nanoseconds;
      durationNs: Nanoseconds;
      /** CPU time of the sampler's thread alone; null where threads cannot be told apart. */
      cpuTimeNs: Nanoseconds | null;
      activities: SensorActivity[];
    };
