import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import { log } from '../core/log.js';
import type { Nanoseconds } from '../core/units.js';
import type { AbsenceReason } from '../core/work.js';
import { createSensors, type SensorSpec } from '../sensors/catalogue.js';
import {
  type Channel,
  type CounterTicks,
  isAbsence,
  type MissingChannel,
  type OpenSensor,
  runsOn,
  type Sensor,
} from '../sensors/sensor.js';

/** A channel as the sampler numbers it over all its sensors. */
interface SampledChannel extends Channel, CounterTicks {
  /** The number its samples carry. */
  id: number;
}

/** Description of a sensor once all are open. */
export interface SensorRecord {
  name: string;
  reads: string;
  available: boolean;
  reason: AbsenceReason | null;
  hint: string | null;
  channels: SampledChannel[];
  missing: MissingChannel[];
  /** Period at which it is read; null where it is not. */
  periodNs: Nanoseconds | null;
}

export interface OpenedSensor {
  record: SensorRecord;
  sensor: OpenSensor;
}

/**
 * Opens the sensors one after the other. One that fails while opening is recorded as unavailable: no
 * sensor keeps a run from going on.
 */
export async function openSensors(
  specs: readonly SensorSpec[],
  clock: Clock,
  { platform, arch }: { platform: string; arch: string } = process,
): Promise<{ opened: OpenedSensor[]; records: SensorRecord[] }> {
  const opened: OpenedSensor[] = [];
  const records: SensorRecord[] = [];
  let channels = 0;
  for (const { spec, sensor } of specs.flatMap(named)) {
    const created = withoutGpusRead(spec, opened) ?? sensor;
    const { name, reads, platforms, architectures } = created;
    const leaveOut = (reason: AbsenceReason, hint: string) => {
      log('sensor %s: %s (%s)', name, reason, hint);
      records.push({
        name,
        reads,
        available: false,
        reason,
        hint,
        channels: [],
        missing: [],
        periodNs: null,
      });
    };
    if (!runsOn(created, platform, arch)) {
      const where = platforms.map((system) => [system, ...(architectures ?? [])].join('/'));
      leaveOut('not-applicable', `It is read on ${where.join(' and ')} alone.`);
      continue;
    }
    const better = spec.sensor === 'nvidia-smi' ? spec.insteadOf : undefined;
    if (better !== undefined && opened.some(({ record }) => record.name === better)) {
      leaveOut('not-applicable', `Not needed: ${better} reads the same, more precisely.`);
      continue;
    }
    let open: OpenSensor;
    try {
      const answer = await created.open(clock);
      if (isAbsence(answer)) {
        leaveOut(answer.reason, answer.hint);
        continue;
      }
      open = answer;
    } catch (error) {
      leaveOut('unsupported', `It failed while being opened: ${messageOf(error)}`);
      continue;
    }
    const record: SensorRecord = {
      name,
      reads,
      available: true,
      reason: null,
      hint: null,
      channels: open.channels.map((channel, index) => ({
        ...channel,
        id: channels++,
        ...(open.ticks?.[index] ?? { counterPeriodNs: null, periodResolved: false }),
      })),
      missing: [...open.missing],
      periodNs: open.periodNs,
    };
    log('sensor %s: %d channels every %d ms', name, record.channels.length, open.periodNs / 1e6);
    opened.push({ record, sensor: open });
    records.push(record);
  }
  return { opened, records };
}

const named = (spec: SensorSpec) => createSensors(spec).map((sensor) => ({ spec, sensor }));

/** An exporter's sensor without its GPUs, where this machine's own sensors read them already; null where it stays as it is. */
function withoutGpusRead(spec: SensorSpec, opened: readonly OpenedSensor[]): Sensor | null {
  if (spec.sensor !== 'server-metrics' || !spec.onThisMachine) return null;
  const areRead = opened.some(
    ({ record: { name, channels } }) =>
      !name.startsWith('server-metrics') && channels.some(({ device }) => device.startsWith('gpu-')),
  );
  return areRead ? createSensors({ ...spec, gpus: [] })[0]! : null;
}
