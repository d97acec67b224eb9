import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatSession } from '../sensors/session.test-support.js';
import { counterCurve } from './counter-curve.js';
import { inspectSensors } from './inspect.js';
import type { Sample } from './ring.js';
import { startSampler } from './sampler.js';
import { SeriesStore } from './series.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-sampler-'));
afterAll(() => rmSync(directory, { recursive: true }));

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const briefly = { calibrateForNs: 5e7 };

/** A device at 200 W whose counter ticks every 10 ms, for so long. */
function recording(name: string, seconds: number): string {
  const path = join(directory, name);
  writeFileSync(
    path,
    formatSession({
      machine: 'made up',
      channels: [{ quantity: 'energy', device: 'gpu-0', unit: 'J', kind: 'counter' }],
      samples: Array.from({ length: seconds * 100 }, (_, index) => ({
        timeNs: index * 1e7,
        channel: 0,
        value: index * 2,
      })),
    }),
  );
  return path;
}

describe('startSampler', () => {
  it('samples in its own thread, on the clock of the run', async () => {
    const originNs = process.hrtime.bigint();
    const sampler = await startSampler({ sensors: [{ sensor: 'process' }], originNs, ...briefly });
    const startNs = Number(process.hrtime.bigint() - originNs);
    await wait(350);
    const report = await sampler.stop();
    const endNs = Number(process.hrtime.bigint() - originNs);
    const samples = sampler.drain();
    const cpu = samples.filter(({ channel }) => channel === 0);
    expect(cpu.length).toBeGreaterThan(1);
    expect(samples).toHaveLength(report.samples);
    // The first reading may precede the message that all is ready.
    for (const { timeNs } of cpu.slice(1)) {
      expect(timeNs).toBeGreaterThan(startNs - 1e9);
      expect(timeNs).toBeLessThan(endNs);
    }
    expect(cpu.at(-1)!.value).toBeGreaterThan(cpu[0]!.value);
    expect(report).toMatchObject({ dropped: 0, warnings: [] });
    expect(report.sensors[0]).toMatchObject({ name: 'process', available: true, periodNs: 2.5e8 });
    if (process.platform === 'linux') expect(report.cpuTimeNs).toBeGreaterThan(0);
    expect(await sampler.stop()).toBe(report);
  });

  it('carries a recorded session through thread and ring to the energy of a window', async () => {
    const originNs = process.hrtime.bigint();
    const path = recording('energy.jsonl', 60);
    const sampler = await startSampler({ sensors: [{ sensor: 'recorded', path }], originNs, ...briefly });
    const store = new SeriesStore();
    for (let turn = 0; turn < 8; turn++) {
      await wait(50);
      store.add(sampler.drain());
    }
    await sampler.stop();
    store.add(sampler.drain());
    const series = store.of(0);
    const [from, to] = [series.timesNs[3]!, series.timesNs.at(-2)!];
    const figure = counterCurve(series, sampler.sensors[0]!.channels[0]!.counterPeriodNs).window(from, to);
    const truth = 200 * ((to - from) / 1e9);
    expect(figure.value).not.toBeNull();
    if (figure.value === null) return;
    expect(figure.low).toBeLessThanOrEqual(truth);
    expect(figure.high).toBeGreaterThanOrEqual(truth - 1e-6);
  });

  it('goes on when a sensor fails, with a warning and a marked gap', async () => {
    const root = join(directory, 'sys');
    const zone = join(root, 'class/powercap/intel-rapl:0');
    mkdirSync(zone, { recursive: true });
    writeFileSync(join(zone, 'name'), 'package-0');
    writeFileSync(join(zone, 'max_energy_range_uj'), '1000000000');
    writeFileSync(join(zone, 'energy_uj'), '5');
    const sampler = await startSampler({
      sensors: [{ sensor: 'rapl', root }, { sensor: 'process' }],
      originNs: process.hrtime.bigint(),
      ...briefly,
    });
    const samples: Sample[] = [];
    const untilMarked = (marked: boolean) =>
      expect
        .poll(
          () =>
            samples.push(...sampler.drain()) && samples.some((s) => s.channel === 0 && Number.isNaN(s.value)),
          {
            timeout: 20_000,
          },
        )
        .toBe(marked);
    await untilMarked(false);
    writeFileSync(join(zone, 'energy_uj'), 'gone');
    await untilMarked(true);
    await wait(150);
    const report = await sampler.stop();
    samples.push(...sampler.drain());
    expect(report.warnings).toMatchObject([
      { code: 'sensor-lost', message: expect.stringContaining('package-0 energy') },
    ]);
    const marked = samples.find(({ channel, value }) => channel === 0 && Number.isNaN(value))!;
    expect(samples.some(({ channel, timeNs }) => channel > 0 && timeNs > marked.timeNs)).toBe(true);
  });

  it('warns of a recording that ended before the run', async () => {
    const path = recording('short.jsonl', 0.05);
    const sampler = await startSampler({
      sensors: [{ sensor: 'recorded', path }],
      originNs: process.hrtime.bigint(),
      calibrateForNs: 1e6,
    });
    await wait(200);
    const { warnings } = await sampler.stop();
    expect(warnings).toMatchObject([{ code: 'sensor-lost', message: expect.stringContaining('is over') }]);
  });

  it('counts the samples that were not collected in time', async () => {
    const sampler = await startSampler({
      sensors: [{ sensor: 'process' }],
      originNs: process.hrtime.bigint(),
      capacity: 4,
      rateFactor: 10,
      ...briefly,
    });
    await wait(100);
    const report = await sampler.stop();
    expect(sampler.drain()).toHaveLength(4);
    expect(report.dropped).toBe(report.samples - 4);
    expect(report.warnings).toMatchObject([{ code: 'samples-dropped' }]);
  });

  it('shares its clock with this thread', async () => {
    const sampler = await startSampler({ sensors: [], originNs: process.hrtime.bigint(), ...briefly });
    const { offsetNs, withinNs } = await sampler.clockOffset();
    expect(Math.abs(offsetNs)).toBeLessThanOrEqual(withinNs);
    await sampler.stop();
  });

  it('says that it could not be started', async () => {
    const sensors = [{ sensor: 'unheard of' } as never];
    await expect(startSampler({ sensors, originNs: 0n })).rejects.toMatchObject({ code: 'sampler-failed' });
  });
});

describe('inspectSensors', () => {
  it('runs what there is and says of the rest why it is not', async () => {
    const { sensors, sampler, clock } = await inspectSensors({
      sensors: [
        { sensor: 'recorded', path: recording('inspect.jsonl', 60) },
        { sensor: 'rapl', root: join(directory, 'nothing') },
      ],
      forNs: 3e8,
    });
    expect(sensors[0]).toMatchObject({
      available: true,
      channels: [{ quantity: 'energy' }],
      latest: [{ channel: 0, value: expect.any(Number) }],
    });
    expect(sensors[0]!.channels[0]!.counterPeriodNs).toBeGreaterThan(0);
    expect(sensors[1]).toMatchObject({ available: false, reason: 'unsupported', latest: [] });
    expect(sampler.samplesAtFullRate).toBeGreaterThan(0);
    expect(Math.abs(clock.offsetNs)).toBeLessThanOrEqual(clock.withinNs);
  });
});
