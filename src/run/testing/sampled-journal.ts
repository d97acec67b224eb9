/** For tests: journal entries of a machine whose power over time is known. */
import type { JournalEntry, OkJournalRow } from '../journal-entry.js';
import { packSamples, type SampledChannel, type SampledSensor } from '../journal-samples.js';
import { okRow } from './journal-sample.js';

export const second = 1e9;
const tickNs = 1e7;

/** A channel that shows `at(second)` every 10 ms. */
export interface FakeChannel extends Pick<SampledChannel, 'quantity' | 'device' | 'unit' | 'kind'> {
  at(second: number): number;
}

export const energyOf = (device: string, watts: number): FakeChannel => ({
  ...{ quantity: 'energy', device, unit: 'J', kind: 'counter' },
  at: (time) => watts * time,
});

export const gaugeOf = (
  device: string,
  quantity: string,
  unit: SampledChannel['unit'],
  value: number,
): FakeChannel => ({ ...{ quantity, device, unit, kind: 'gauge' }, at: () => value });

export function sensor(
  name: string,
  channels: readonly FakeChannel[],
  firstId: number,
  changes: Partial<SampledSensor> = {},
): SampledSensor {
  return {
    ...{ name, reads: name, available: true, reason: null, hint: null, missing: [], periodNs: tickNs },
    channels: channels.map(({ quantity, device, unit, kind }, index) => ({
      ...{ quantity, device, unit, kind, id: firstId + index },
      ...{ counterPeriodNs: kind === 'counter' ? tickNs : null, periodResolved: true },
    })),
    ...changes,
  };
}

export const absentSensor = (
  name: string,
  reason: NonNullable<SampledSensor['reason']>,
  hint: string,
): SampledSensor => sensor(name, [], 0, { available: false, reason, hint, periodNs: null });

/** Sampling from `from` to `to` seconds, measuring from `measuring` on. */
export function sampling(
  sensors: readonly (readonly [SampledSensor, readonly FakeChannel[]])[],
  [from, to]: readonly [number, number],
  measuring: number,
): JournalEntry[] {
  const samples = sensors.flatMap(([{ channels }, fakes]) =>
    channels.flatMap(({ id }, index) =>
      Array.from({ length: Math.round(((to - from) * second) / tickNs) + 1 }, (_, step) => {
        const timeNs = from * second + step * tickNs;
        return { timeNs, channel: id, value: fakes[index]!.at(timeNs / second) };
      }),
    ),
  );
  return [
    { kind: 'sampling', sensors: sensors.map(([of]) => of), recorded: null },
    { kind: 'samples', series: packSamples(samples) },
    { kind: 'span', of: 'measuring', fromNs: measuring * second, toNs: null },
  ];
}

/** A request of one stage that ran between two seconds. */
export function ran(id: number, from: number, to: number, cpuSeconds: number): JournalEntry {
  const [started, ended] = [from * second, to * second];
  const row: OkJournalRow = {
    ...(okRow(id, cpuSeconds * second) as OkJournalRow),
    times: { submitted: started, started, firstToken: started + 1, lastToken: ended },
    stages: [
      {
        ...{ name: 'prefill', visible: true, tokens: 1, billed: 1 },
        times: { started, ended },
        work: { cpuTime: cpuSeconds * second },
      },
    ],
  };
  return { kind: 'request', row, processCpuNs: 0, endedNs: ended };
}
