import type { Clock } from '../core/clock.js';
import type { Nanoseconds } from '../core/units.js';
import type { Absence } from './absence.js';

/** Base units; `bits` is a mask whose meaning the sensor's file gives. */
type Unit = 'ns' | 'B' | 'J' | 'W' | 'Hz' | '°C' | 'ratio' | 'count' | 'bits';

/** One figure that a sensor reads over and over. */
export interface Channel {
  /** Quantity that is read: `energy`, `power`, `memoryUsed` … */
  quantity: string;
  /** Device that it is of: `process`, `system`, `package-0`, `gpu-1` … Energies of different devices may be added. */
  device: string;
  unit: Unit;
  /**
   * A counter only grows, counting from any origin; a gauge is a state at an instant. The sensor hides
   * wrap-around, and marks a reset by a gap.
   */
  kind: 'counter' | 'gauge';
  /** Time over which the hardware averages a gauge before it shows it, at worst. */
  averagedOverNs?: Nanoseconds;
}

/** A channel that the device could have and has not. */
export interface MissingChannel extends Absence {
  device: string;
  quantity: string;
  /** The GPU is split by MIG, and shows the figure of all instances together only. */
  mig?: true;
}

/** The taker of readings. */
export interface SampleSink {
  /**
   * A value of the sensor's channel by index, read now or `atNs` on the run's clock. `NaN` marks a gap:
   * what lies between the values around it is not known.
   */
  put(channel: number, value: number, atNs?: Nanoseconds): void;
  /** Ends one channel for the rest of the session, saying why. */
  lose(channel: number, why: string): void;
}

/** The ticks of a channel: how often it really changes. */
export interface CounterTicks {
  /** Null where it hardly changed while this was looked at. */
  counterPeriodNs: Nanoseconds | null;
  /** False where `counterPeriodNs` is only an upper bound. */
  periodResolved: boolean;
}

/** A sensor ready to be read. */
export interface OpenSensor {
  readonly channels: readonly Channel[];
  readonly missing: readonly MissingChannel[];
  /** Period at which to read it unless its counters tick more slowly; chosen so that reading stays cheap. */
  readonly periodNs: Nanoseconds;
  /** Ticks by channel, where they are known beforehand, as of a recording: nobody looks then. */
  readonly ticks?: readonly CounterTicks[];
  /** Values arrive by themselves, and `read` passes on those that came since; reading again gives none. */
  readonly arrives: boolean;
  /** Reads every channel once. Throws where nothing can be read any more: the sensor has ended. */
  read(sink: SampleSink): void;
  close(): void;
}

export const systems = ['linux', 'darwin', 'win32'] as const;
/** An operating system, by Node's name of it. */
export type System = (typeof systems)[number];

/** Figures of requests that come from sensors alone. */
export type SensedFigure = 'cpuEnergy' | 'gpuEnergy' | 'gpuTime';

/** Anything on this machine that can be read again and again. */
export interface Sensor {
  readonly name: string;
  /** Its quantities and their source, in one line for people. */
  readonly reads: string;
  /** Systems on which there is anything to read; it is not opened on others. */
  readonly platforms: readonly System[];
  /** Processors that it is of; any where absent. */
  readonly architectures?: readonly string[];
  /** The figures of requests that it can be the source of, where the machine shows them. */
  readonly figures?: readonly SensedFigure[];
  /** Opens it, or says why not and which one command would help. Times are on `clock`. */
  open(clock: Clock): Promise<OpenSensor | Absence>;
}

/** Whether there may be anything to read on such a system. */
export const runsOn = (
  { platforms, architectures }: Pick<Sensor, 'platforms' | 'architectures'>,
  platform: string,
  arch: string,
): boolean => platforms.some((name) => name === platform) && (architectures?.includes(arch) ?? true);

export const isAbsence = (opened: OpenSensor | Absence): opened is Absence => 'reason' in opened;

export const milliseconds = (count: number): Nanoseconds => count * 1e6;

/**
 * As often as energy and power are read: often enough for windows of some tenths of a second, seldom
 * enough for the sampler to stay below 1% of a core. It is no divisor of the periods that counters tick
 * at (10, 20, 50, 100 ms), so that readings do not always fall on the same moment between two ticks.
 */
export const oftenNs = milliseconds(31);
