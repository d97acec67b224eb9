/** For tests: journal entries of a machine whose power over time is known. */

import type { SampledChannel, SampledSensor } from '../../sampling/attribution/segment.js';
import type { JournalEntry, OkJournalRow } from '../entry.js';
import { packSamples } from '../samples.js';
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
  const [started, ended] = [Math.round(from * second), Math.round(to * second)];
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

interface Again {
  times: number;
  /** Of one run, in seconds. */
  lasts: number;
  /** What is done before each run, in seconds. */
  prepares?: number;
  /** Shares of a run. */
  stages?: number[];
}

/** Request 0, from second 1 on, several times in a row, each time busy with one core. */
export function again({ times, lasts, prepares = 0, stages = [1] }: Again): JournalEntry {
  const startOf = (run: number) => Math.round((1 + prepares + run * (prepares + lasts)) * second);
  const ends = stages.map((_, index) => stages.slice(0, index + 1).reduce((sum, share) => sum + share, 0));
  const runs = Array.from({ length: times }, (_, run) => ({
    startedNs: startOf(run),
    endsNs: ends.map((share) => Math.round(startOf(run) + share * lasts * second)),
    cpuNs: stages.map((share) => share * lasts * second),
  }));
  const entry = ran(0, startOf(0) / second, startOf(0) / second + lasts, lasts);
  if (entry.kind !== 'request' || !('stages' in entry.row)) throw new Error('a request that ran has stages');
  const [stage] = entry.row.stages;
  const row = {
    ...entry.row,
    stages: stages.map((share, index) => ({
      ...stage!,
      ...(index > 0 && { tokens: 0, billed: 0 }),
      times: { started: runs[0]!.endsNs[index - 1] ?? startOf(0), ended: runs[0]!.endsNs[index]! },
      work: { cpuTime: share * lasts * second },
    })),
  };
  const preparations = runs.map(({ startedNs }) => ({
    startedNs: startedNs - prepares * second,
    endedNs: startedNs,
    cpuNs: prepares * second,
  }));
  return { ...entry, row, runs, ...(prepares > 0 && { preparations }) };
}
