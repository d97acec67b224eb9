import { oftenNs } from './sensor.js';
import { formatHeader, formatSamples, type RecordedSample, type SessionHeader } from './session-file.js';

type SensorRecord = SessionHeader['sensors'][number];
type Channel = SensorRecord['channels'][number];

/** A sensor of a recording whose counters tick every 10 ms; its channels are numbered from `firstId` on. */
export function recordedSensor(
  name: string,
  channels: readonly Pick<Channel, 'quantity' | 'device' | 'unit' | 'kind' | 'averagedOverNs'>[],
  firstId = 0,
): SensorRecord {
  return {
    ...{ name, reads: name, available: true, reason: null, hint: null, missing: [], periodNs: oftenNs },
    channels: channels.map((channel, index) => ({
      ...channel,
      ...{ id: firstId + index, periodResolved: true },
      counterPeriodNs: channel.kind === 'counter' ? 1e7 : null,
    })),
  };
}

/** The text of a session of one sensor, `recorded`, on a machine with GPUs. */
export function formatSession({
  machine,
  channels,
  samples,
}: {
  machine: string;
  channels: Parameters<typeof recordedSensor>[1];
  samples: readonly RecordedSample[];
}): string {
  return sessionOf(machine, [recordedSensor('recorded', channels)], samples);
}

export function sessionOf(
  machine: string,
  sensors: readonly SensorRecord[],
  samples: readonly RecordedSample[],
): string {
  const recordedAt = '2026-11-24T10:00:00.000Z';
  return formatHeader({ recordedAt, machine, usesGpu: true, sensors: [...sensors] }) + formatSamples(samples);
}
