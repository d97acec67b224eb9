import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { fakeClock, openOrFail, record } from '../sensor-probe.test-support.js';
import { raplSensor } from './rapl.js';

const parent = mkdtempSync(join(tmpdir(), 'tokenwork-rapl-'));
afterAll(() => rmSync(parent, { recursive: true }));
let root = '';
let trees = 0;
beforeEach(() => {
  root = join(parent, String(trees++));
  mkdirSync(root);
});

const largest = 262_143_328_850;

function zone(path: string, name: string, microjoules: number | string, range = largest): void {
  const directory = join(root, 'class/powercap', path);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'name'), `${name}\n`);
  writeFileSync(join(directory, 'max_energy_range_uj'), `${range}\n`);
  writeFileSync(join(directory, 'energy_uj'), `${microjoules}\n`);
}

/** A two-socket server with everything that must not be added to a package. */
function server(): void {
  zone('intel-rapl:0', 'package-0', 1_000_000);
  zone('intel-rapl:0/intel-rapl:0:0', 'dram', 500_000);
  zone('intel-rapl:0/intel-rapl:0:1', 'core', 400_000);
  zone('intel-rapl:1', 'package-1', 2_000_000);
  zone('intel-rapl:1/intel-rapl:1:0', 'dram', 0);
  zone('intel-rapl:2', 'psys', 9_000_000);
  zone('intel-rapl-mmio:0', 'package-0', 1_000_000);
}

describe('raplSensor', () => {
  it('reads packages and DRAM, and nothing that contains or repeats them', async () => {
    server();
    const sensor = await openOrFail(raplSensor(root));
    record(sensor);
    zone('intel-rapl:0', 'package-0', 31_000_000);
    zone('intel-rapl:0/intel-rapl:0:0', 'dram', 1_500_000);
    expect(record(sensor).latest).toEqual({
      'package-0 energy': 30,
      'dram-0 energy': 1,
      'package-1 energy': 0,
      'dram-1 energy': 0,
    });
    sensor.close();
  });

  it('reads all zones of a machine with more than ten packages, which the kernel numbers in hexadecimal', async () => {
    for (let index = 0; index < 18; index++) {
      const zoneOf = `intel-rapl:${index.toString(16)}`;
      zone(zoneOf, `package-${index}`, 5_000_000);
      for (let part = 0; part < 11; part++)
        zone(`${zoneOf}/${zoneOf}:${part.toString(16)}`, part === 10 ? 'dram' : 'core', 1);
    }
    const sensor = await openOrFail(raplSensor(root));
    expect(sensor.channels.map(({ device }) => device)).toEqual(
      Array.from({ length: 18 }, (_, index) => [`package-${index}`, `dram-${index}`]).flat(),
    );
    sensor.close();
  });

  it('counts dies that show one counter once, under the package’s name', async () => {
    for (const die of [0, 1]) {
      zone(`intel-rapl:${die}`, `package-0-die-${die}`, 68_000_000);
      zone(`intel-rapl:${die}/intel-rapl:${die}:0`, 'dram', 3_000_000);
    }
    zone('intel-rapl:2', 'package-1-die-0', 68_000_000);
    const sensor = await openOrFail(raplSensor(root));
    expect(sensor.channels.map(({ device }) => device)).toEqual(['package-0', 'dram-0', 'package-1-die-0']);
    sensor.close();
  });

  it('adds dies that have counters of their own', async () => {
    for (const [die, microjoules] of [70_000_000, 68_000_000, 70_000_000, 12].entries())
      zone(`intel-rapl:${die}`, `package-0-die-${die}`, microjoules);
    const sensor = await openOrFail(raplSensor(root));
    expect(sensor.channels.map(({ device }) => device)).toEqual([
      'package-0-die-0',
      'package-0-die-1',
      'package-0-die-3',
    ]);
    sensor.close();
  });

  it('counts on through the wrap-around at the range of the zone', async () => {
    zone('intel-rapl:0', 'package-0', largest - 999_999);
    const clock = fakeClock();
    const sensor = await openOrFail(raplSensor(root), clock);
    record(sensor);
    clock.advance(25e6);
    zone('intel-rapl:0', 'package-0', 1_000_000);
    expect(record(sensor).latest['package-0 energy']).toBeCloseTo(2, 9);
    sensor.close();
  });

  it('leaves a gap at a reset', async () => {
    zone('intel-rapl:0', 'package-0', 100_000_000_000);
    const clock = fakeClock();
    const sensor = await openOrFail(raplSensor(root), clock);
    record(sensor);
    clock.advance(25e6);
    zone('intel-rapl:0', 'package-0', 12);
    expect(record(sensor).latest['package-0 energy']).toBeNaN();
    clock.advance(25e6);
    zone('intel-rapl:0', 'package-0', 1_000_012);
    expect(record(sensor).latest['package-0 energy']).toBeCloseTo(1, 9);
    sensor.close();
  });

  it('ends the zone that answers garbage, and reads the others on', async () => {
    server();
    const sensor = await openOrFail(raplSensor(root));
    record(sensor);
    zone('intel-rapl:1', 'package-1', 'garbage');
    const { lost, latest } = record(sensor);
    expect(lost).toEqual({ 'package-1 energy': expect.stringContaining('garbage') });
    expect(Object.keys(latest)).toEqual(['package-0 energy', 'dram-0 energy', 'dram-1 energy']);
    sensor.close();
  });

  it('says what a machine without RAPL can do', async () => {
    const answer = await raplSensor(root).open(fakeClock());
    expect(answer).toMatchObject({ reason: 'unsupported', hint: expect.stringContaining('sudo modprobe') });
  });

  // Root reads everything, whatever the mode: there this cannot be shown.
  it.skipIf(process.getuid?.() === 0)('says which command permits reading', async () => {
    zone('intel-rapl:0', 'package-0', 1);
    rmSync(join(root, 'class/powercap/intel-rapl:0/energy_uj'));
    writeFileSync(join(root, 'class/powercap/intel-rapl:0/energy_uj'), '1', { mode: 0o000 });
    const answer = await raplSensor(root).open(fakeClock());
    expect(answer).toMatchObject({ reason: 'permission', hint: expect.stringContaining('sudo chmod a+r') });
  });
});
