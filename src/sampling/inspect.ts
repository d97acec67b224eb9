import type { Warning } from '../core/codes.js';
import type { Nanoseconds } from '../core/units.js';
import { machineSensors, type SensorSpec } from '../sensors/catalogue.js';
import type { SensorRecord } from './opened-sensor.js';
import { startSampler } from './sampler.js';

/** A sensor as this machine has it, with what each of its channels last showed. */
export interface SensorReport extends SensorRecord {
  latest: { channel: number; value: number | null }[];
}

/** The sensors of this machine and the cost of reading them. */
export interface SensorInspection {
  sensors: SensorReport[];
  sampler: {
    /** Share of one core at the default rates, and at ten times them; null where it cannot be told. */
    cpuShare: number | null;
    cpuShareAtFullRate: number | null;
    samplesAtFullRate: number;
    droppedAtFullRate: number;
    missedAtFullRate: number;
  };
  /** Lead of the sampler thread's clock over this thread's, and its bound. */
  clock: { offsetNs: Nanoseconds; withinNs: Nanoseconds };
  /** Warnings at the default rates. */
  warnings: Warning[];
}

const fullRate = 10;

/**
 * Runs every sensor for a while (1 s by default), at its default rate and then at ten times it. Sensors
 * that cannot be read are listed with the reason and the one command that would help.
 */
export async function inspectSensors(
  options: { sensors?: readonly SensorSpec[]; forNs?: Nanoseconds } = {},
): Promise<SensorInspection> {
  const { sensors = machineSensors(), forNs = 1e9 } = options;
  const usual = await sample(sensors, forNs, 1);
  const full = await sample(sensors, forNs, fullRate);
  return {
    sensors: usual.sensors,
    sampler: {
      cpuShare: usual.report.cpuShare,
      cpuShareAtFullRate: full.report.cpuShare,
      samplesAtFullRate: full.report.samples,
      droppedAtFullRate: full.report.dropped,
      missedAtFullRate: full.report.missed,
    },
    clock: usual.clock,
    warnings: usual.report.warnings,
  };
}

async function sample(sensors: readonly SensorSpec[], forNs: Nanoseconds, rateFactor: number) {
  const sampler = await startSampler({
    sensors,
    originNs: process.hrtime.bigint(),
    calibrateForNs: forNs,
    rateFactor,
  });
  await new Promise((resolve) => setTimeout(resolve, forNs / 1e6));
  const clock = await sampler.clockOffset();
  const report = await sampler.stop();
  const latest = new Map(sampler.drain().map(({ channel, value }) => [channel, value]));
  return {
    clock,
    report,
    sensors: sampler.sensors.map((record) => ({
      ...record,
      latest: record.channels.map(({ id }) => {
        const value = latest.get(id) ?? Number.NaN;
        return { channel: id, value: Number.isNaN(value) ? null : value };
      }),
    })),
  };
}
