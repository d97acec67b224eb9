import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isOk } from '../core/result.js';
import type { SensorSpec } from '../sensors/catalogue.js';
import { codesOf, expectConserved, ShortRuns, suiteOf } from './testing/short-runs.js';

// Long enough for what a worker does between two runs not to count, however busy the machine.
const runs = new ShortRuns({ completionTokens: [64, 128] });

describe('a run on a machine whose processor counts energy', () => {
  it('gives each request, repeated until its window is long enough, what the counters counted', async () => {
    const { root, watts } = runs.fakeRapl();
    const result = await runs.bench({ sensors: [{ sensor: 'rapl', root }], energy: true });
    expect(result.run.complete).toBe(true);
    expect(result.metrics.energy).toMatchObject({ unit: 'J', provenance: 'measured', reason: null });
    expect(result.metrics.energy!.method).toContain('package-0 + dram-0 (rapl counter)');
    expectConserved(result);
    const rows = result.requests.filter(isOk);
    for (const row of rows) {
      expect(row.runsInWindow).toBeGreaterThan(1);
      expect(row.work.energy).toBeGreaterThan(0);
    }
    // At constant power, what was used is the time from the first request to the last, and no more than the run.
    const firstNs = Math.min(...rows.map(({ times }) => times.started));
    const lastNs = Math.max(...rows.map(({ times }) => times.lastToken));
    const { total } = result.conservation['energy/package-0']!;
    expect(total).toBeGreaterThan(0.9 * watts * ((lastNs - firstNs) / 1e9));
    expect(total).toBeLessThan(1.1 * watts * (result.run.durationNs / 1e9));
    const idle = result.idleBaseline!['energy/package-0']!;
    expect(Math.abs(idle.mean! / watts - 1)).toBeLessThan(0.25);
    const line = result.timeline!.find(({ device }) => device === 'package-0')!;
    expect(line).toMatchObject({ sensor: 'rapl', quantity: 'energy', unit: 'W' });
    expect(line.values.length).toBe(line.timesNs.length);
    expect(result.environment.sensors.find(({ name }) => name === 'rapl')).toMatchObject({
      available: true,
      channels: [{ device: 'package-0', quantity: 'energy' }, { device: 'dram-0' }],
    });
    expect(result.environment.sampler).toMatchObject({ dropped: 0 });
  });

  it('states no energy of a request that its counters are too slow for, and keeps what was used', async () => {
    const { root } = runs.fakeRapl();
    const short = join(runs.folder, 'short.json');
    writeFileSync(short, suiteOf({ completionTokens: [2, 4] }));
    const result = await runs.bench({ suite: short, sensors: [{ sensor: 'rapl', root }] });
    for (const row of result.requests.filter(isOk)) {
      expect(row.work.energy).toBeNull();
      expect(row.absent).toMatchObject({ energy: 'too-short' });
    }
    expectConserved(result);
    expect(result.conservation['energy/package-0']!.total).toBeGreaterThan(0);
  });

  it('shares it among concurrent requests, says how, and loses nothing', async () => {
    const { root } = runs.fakeRapl();
    const result = await runs.bench({ sensors: [{ sensor: 'rapl', root }], energy: true, concurrency: 2 });
    expect(result.metrics.energy).toMatchObject({ provenance: 'attributed' });
    expect(result.metrics.energy!.method).toContain('CPU time');
    expectConserved(result);
    const { total, requests } = result.conservation['energy/package-0']!;
    expect(requests / total).toBeGreaterThan(0.5);
  });
});

describe('a run without such counters', () => {
  it('says by the nearest sensor why, and what would help', async () => {
    const nowhere = join(runs.folder, 'nothing');
    const sensors: SensorSpec[] = [
      { sensor: 'process', root: nowhere },
      { sensor: 'system-cpu', root: nowhere },
      { sensor: 'pressure', root: nowhere },
      { sensor: 'rapl', root: nowhere },
      { sensor: 'nvml', libraryPath: join(nowhere, 'nvml.so') },
    ];
    const result = await runs.bench({ sensors, energy: true });
    expect(result.run.complete).toBe(true);
    expect(result.metrics.energy).toMatchObject({
      provenance: 'unavailable',
      reason: 'unsupported',
      hint: expect.stringContaining('RAPL'),
    });
    expect(result.metrics.gpuTime).toMatchObject({ reason: 'not-applicable' });
    expect(codesOf(result)).toContain('energy-unavailable');
    const named = result.environment.sensors.filter(({ available }) => !available);
    expect(named.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['system-cpu', 'pressure', 'rapl', 'nvml']),
    );
    for (const { reason, hint } of named) expect([reason, hint]).not.toContain(null);
    for (const row of result.requests.filter(isOk)) expect(row.work.energy).toBeNull();
  });

  it('goes on where the sampler does not start', async () => {
    const result = await runs.bench({ sensors: [{ sensor: 'unheard of' } as never] });
    expect(result.run.complete).toBe(true);
    expect(codesOf(result)).toContain('sampler-failed');
  });

  it('samples nothing where nothing is to be sampled', async () => {
    const result = await runs.bench({ sensors: 'none' });
    expect(result.timeline).toBeUndefined();
    expect(result.metrics.energy).toMatchObject({ provenance: 'unavailable', reason: 'not-applicable' });
  });

  it.each([
    [{ sensors: 'none', energy: true }, 'bad-option'],
    [{ validateAttribution: true, concurrency: 1 }, 'bad-option'],
    [{ sensors: 'recorded:/no/such/file' }, 'no-session'],
  ] as const)('refuses %o before it measures anything', async (options, code) => {
    await expect(runs.bench(options)).rejects.toMatchObject({ code, exitCode: 2 });
  });
});
