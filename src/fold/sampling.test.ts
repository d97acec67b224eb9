import { describe, expect, it } from 'vitest';
import { isOk, type Result, resultSchema } from '../core/result.js';
import type { JournalEntry, JournalHeader } from '../journal/entry.js';
import { contentsOf, header } from '../journal/testing/journal-sample.js';
import {
  absentSensor,
  again,
  energyOf,
  type FakeChannel,
  gaugeOf,
  ran,
  sampling,
  second,
  sensor,
} from '../journal/testing/sampled-journal.js';
import { foldJournal } from './result.js';

interface Setting {
  concurrency?: number;
  device?: string;
}

function fold(entries: readonly JournalEntry[], { concurrency = 1, device = 'cpu' }: Setting = {}): Result {
  const of: JournalHeader = {
    ...header,
    settings: { ...header.settings, concurrency },
    models: header.models.map((model) => ({ ...model, engine: { ...model.engine, device } })),
    metrics: Object.fromEntries(
      ['energy', 'gpuTime'].map((metric) => [
        metric,
        {
          ...{ unit: metric === 'energy' ? 'J' : 'ns', provenance: 'unavailable' },
          ...{ method: 'none', reason: 'not-applicable', hint: null },
        } as const,
      ]),
    ),
  };
  const { head, rows } = foldJournal(contentsOf(of, [of, ...entries]));
  return resultSchema.parse({ ...head, requests: [...rows()] });
}

const ended = (at: number): JournalEntry => ({ kind: 'ended', atNs: at * second, processCpuNs: 0 });
const energies = (result: Result) => result.requests.map(({ work }) => work?.energy ?? null);

function on(...named: [string, FakeChannel[]][]) {
  let id = 0;
  return named.map(([name, channels]) => {
    const opened = sensor(name, channels, id);
    id += channels.length;
    return [opened, channels] as const;
  });
}

const packageOnly = on(['rapl', [energyOf('package-0', 100)]]);

function expectConserved({ conservation }: Result): void {
  for (const { total, requests, idle, unattributed } of Object.values(conservation)) {
    expect(requests + idle + unattributed).toBe(total);
  }
}

describe('energy of requests, one at a time', () => {
  it('is what the counter counted while each ran; the rest was idle', () => {
    const result = fold([...sampling(packageOnly, [0, 6], 1), ran(0, 1, 2, 1), ran(1, 2, 4, 0.1), ended(5)]);
    expect(energies(result)[0]).toBeCloseTo(100, 0);
    expect(energies(result)[1]).toBeCloseTo(200, 0);
    const { total, requests, idle, unattributed } = result.conservation['energy/package-0']!;
    expect([total, requests, idle, unattributed].map(Math.round)).toEqual([400, 300, 100, 0]);
    expectConserved(result);
    expect(result.metrics.energy).toMatchObject({ provenance: 'measured', reason: null });
    expect(result.metrics.energy!.method).toContain('package-0 (rapl counter); not in it: DRAM');
    expect(result.requests.filter(isOk)[0]!.stages[0]!.work.energy).toBeCloseTo(100, 0);
  });

  it('is the share of one run where a request ran several times in a row', () => {
    const result = fold([...sampling(packageOnly, [0, 3], 1), again({ times: 50, lasts: 0.02 }), ended(2)]);
    expect(energies(result)[0]).toBeCloseTo(2, 1);
    expect(result.requests[0]).toMatchObject({ runsInWindow: 50 });
    expect(result.conservation.cpuTime!.requests).toBeCloseTo(second, 0);
    expectConserved(result);
  });

  it('leaves out what was done between its runs, which is nobody’s and not idle', () => {
    const entry = again({ times: 10, lasts: 0.05, prepares: 0.15 });
    const result = fold([...sampling(packageOnly, [0, 4], 1), entry, ended(3)]);
    expect(energies(result)[0]).toBeCloseTo(5, 1);
    const { total, requests, idle, unattributed } = result.conservation['energy/package-0']!;
    expect([total, requests, idle, unattributed].map(Math.round)).toEqual([200, 50, 0, 150]);
    expectConserved(result);
  });

  it('is shared by its stages by their time where it ran several times in a row, and adds up to it', () => {
    const entry = again({ times: 40, lasts: 0.025, stages: [0.2, 0.5, 0, 0.3] });
    const result = fold([...sampling(packageOnly, [0, 3], 1), entry, ended(2)]);
    const [row] = result.requests.filter(isOk);
    const stages = row!.stages.map(({ work }) => work.energy!);
    for (const [index, joules] of [0.5, 1.25, 0, 0.75].entries())
      expect(stages[index]).toBeCloseTo(joules, 1);
    expect(stages.reduce((sum, joules) => sum + joules, 0)).toBeCloseTo(row!.work.energy!, 9);
    expect(result.metrics.energy!.method).toContain('by their own time');
    expect(result.warnings.map(({ message }) => message).join()).not.toContain('work.');
  });

  it('is of no single stage, with the reason, where its runs went through different ones', () => {
    const entry = again({ times: 40, lasts: 0.025, stages: [0.5, 0.5] });
    if (entry.kind === 'request') entry.runs![3] = { ...entry.runs![3]!, endsNs: [1.1e9], cpuNs: [1] };
    const result = fold([...sampling(packageOnly, [0, 3], 1), entry, ended(2)]);
    const [row] = result.requests.filter(isOk);
    expect(row!.work.energy).toBeGreaterThan(0);
    for (const stage of row!.stages) {
      expect(stage).toMatchObject({ work: { energy: null }, absent: { energy: 'not-applicable' } });
    }
  });

  it('is of no stage that is too short to be told, with the reason', () => {
    const entry = ran(0, 1, 2, 1);
    if (entry.kind !== 'request' || !('stages' in entry.row)) throw new Error('it has stages');
    const [stage] = entry.row.stages;
    const cut = 1.03 * second;
    entry.row.stages = [
      { ...stage!, name: 'tokenization', times: { ...stage!.times, ended: cut } },
      { ...stage!, times: { ...stage!.times, started: cut } },
    ];
    const result = fold([...sampling(packageOnly, [0, 3], 1), entry, ended(2)]);
    const [short, long] = result.requests.filter(isOk)[0]!.stages;
    expect(short).toMatchObject({ work: { energy: null }, absent: { energy: 'too-short' } });
    expect(long!.work.energy).toBeCloseTo(97, 0);
    expect(long).not.toHaveProperty('absent');
  });

  it('is lost where its sensor failed meanwhile, and of no other request', () => {
    const broken = energyOf('package-0', 100);
    const at = (time: number) => (time > 2.2 && time < 2.5 ? Number.NaN : broken.at(time));
    const sensors = on(['rapl', [{ ...broken, at }]]);
    const result = fold([...sampling(sensors, [0, 6], 1), ran(0, 1, 2, 1), ran(1, 2, 3, 1), ran(2, 3, 4, 1)]);
    expect(energies(result).map((joules) => joules && Math.round(joules))).toEqual([100, null, 100]);
    expect(result.requests[1]).toMatchObject({ absent: { energy: 'lost' } });
    expectConserved(result);
  });

  it('is too short to tell where the counter did not move often enough', () => {
    const result = fold([...sampling(packageOnly, [0, 3], 1), ran(0, 1, 1.05, 0.05), ended(2)]);
    expect(energies(result)).toEqual([null]);
    expect(result.requests[0]).toMatchObject({ absent: { energy: 'too-short' } });
    // It was used by somebody, and by no request as far as can be told.
    expect(result.conservation['energy/package-0']!.unattributed).toBeCloseTo(5, 0);
    expectConserved(result);
  });

  it('is known of a request that failed, too', () => {
    const failed: JournalEntry = {
      kind: 'request',
      row: {
        ...{ id: 0, cell: 'm/p1/c1', repetition: 0, worker: 0, tokens: null },
        outcome: { status: 'failed', code: 'deadline-exceeded', message: 'late' },
        times: { submitted: second, started: second, firstToken: null, lastToken: null },
      },
      processCpuNs: 0,
      endedNs: 2 * second,
    };
    const result = fold([...sampling(packageOnly, [0, 3], 1), failed, ended(2)]);
    expect(energies(result)[0]).toBeCloseTo(100, 0);
    expectConserved(result);
  });
});

describe('energy of concurrent requests', () => {
  it('is shared in proportion to their CPU time', () => {
    const entries = [...sampling(packageOnly, [0, 4], 1), ran(0, 1, 3, 1.5), ran(1, 1, 3, 0.5), ended(3)];
    const result = fold(entries, { concurrency: 2 });
    expect(energies(result)[0]).toBeCloseTo(150, 0);
    expect(energies(result)[1]).toBeCloseTo(50, 0);
    expect(result.metrics.energy).toMatchObject({ provenance: 'attributed' });
    expectConserved(result);
  });
});

describe('the preparation of a request beside another', () => {
  it('takes its share of the energy by its CPU time, and gives it to nobody', () => {
    const prepared: JournalEntry = {
      ...(ran(1, 3, 4, 1) as Extract<JournalEntry, { kind: 'request' }>),
      preparations: [{ startedNs: second, endedNs: 3 * second, cpuNs: 1.5 * second }],
    };
    const entries = [...sampling(packageOnly, [0, 5], 1), ran(0, 1, 3, 0.5), prepared, ended(4)];
    const result = fold(entries, { concurrency: 2 });
    expect(energies(result)[0]).toBeCloseTo(50, 0);
    expect(result.conservation['energy/package-0']!.unattributed).toBeCloseTo(150, 0);
    expectConserved(result);
  });
});

describe('a run on a GPU', () => {
  const gpus = (held: number[]) =>
    on(
      ['nvml', held.map((_, gpu) => energyOf(`gpu-${gpu}`, 100 * (gpu + 1)))],
      ['nvml-state', held.map((bytes, gpu) => gaugeOf(`gpu-${gpu}`, 'processMemory', 'B', bytes))],
    );
  const requests = [ran(0, 1, 2, 1), ended(2)];

  it('is charged with the GPU that it holds memory of, and not with its neighbours', () => {
    const result = fold([...sampling(gpus([0, 2 ** 30]), [0, 3], 1), ...requests], { device: 'cuda' });
    expect(energies(result)[0]).toBeCloseTo(200, 0);
    expect(result.conservation['energy/gpu-0']).toMatchObject({ requests: 0 });
    expect(result.conservation['energy/gpu-0']!.unattributed).toBeCloseTo(100, 0);
    expect(result.metrics.energy!.method).toContain('gpu-1 (nvml counter); not in it: CPU package');
    expect(result.warnings).toContainEqual(expect.objectContaining({ code: 'energy-partial' }));
    expectConserved(result);
  });

  it('is charged with all of them where a container hides who holds what', () => {
    const hidden = gpus([Number.NaN, Number.NaN]);
    const result = fold([...sampling(hidden, [0, 3], 1), ...requests], { device: 'webgpu' });
    expect(energies(result)[0]).toBeCloseTo(300, 0);
  });

  it('names a GPU that shows no power, and what would help', () => {
    const [nvml] = on(['nvml', [energyOf('gpu-0', 100)]]);
    const missing = [
      {
        device: 'gpu-1',
        quantity: 'energy',
        reason: 'unsupported' as const,
        hint: 'GPU 1 has no power reading.',
      },
    ];
    const sensors = [[{ ...nvml![0], missing }, nvml![1]] as const];
    const result = fold([...sampling(sensors, [0, 3], 1), ...requests], { device: 'cuda' });
    expect(result.metrics.energy!.method).toContain('gpu-1');
    expect(result.warnings).toContainEqual(
      expect.objectContaining({ code: 'energy-partial', hint: expect.stringContaining('no power reading') }),
    );
  });

  it('takes the time that it kept the GPU busy from its utilisation', () => {
    const sensors = on(['nvml', [gaugeOf('gpu-0', 'utilisation', 'ratio', 0.5)]]);
    const result = fold([...sampling(sensors, [0, 3], 1), ...requests], { device: 'webgpu' });
    expect(result.requests[0]!.work!.gpuTime! / second).toBeCloseTo(0.5, 2);
    expect(result.metrics.gpuTime).toMatchObject({ provenance: 'measured', unit: 'ns' });
    expectConserved(result);
  });
});

describe('the GPU time of a run with neighbours on its GPU', () => {
  const requests = [ran(0, 1, 2, 1), ended(2)];
  const shared = (own: number) =>
    on(
      ['nvml', [gaugeOf('gpu-0', 'utilisation', 'ratio', 0.9)]],
      ['nvml-state', [gaugeOf('gpu-0', 'processUtilisation', 'ratio', own)]],
    );

  it('is that of its process alone where the driver tells it, and warns of the others', () => {
    const result = fold([...sampling(shared(0.3), [0, 3], 1), ...requests], { device: 'cuda' });
    expect(result.requests[0]!.work!.gpuTime! / second).toBeCloseTo(0.3, 2);
    expect(result.metrics.gpuTime!.method).toContain('utilisation by this process');
    expect(result.warnings).toContainEqual(
      expect.objectContaining({
        code: 'busy-neighbours',
        message: expect.stringContaining('gpu-0 busy for 60%'),
      }),
    );
    expectConserved(result);
  });

  it.each([Number.NaN, 0])('is that of all where the driver shows nothing of the process (%f)', (own) => {
    const result = fold([...sampling(shared(own), [0, 3], 1), ...requests], { device: 'cuda' });
    expect(result.requests[0]!.work!.gpuTime! / second).toBeCloseTo(0.9, 2);
    expect(result.metrics.gpuTime!.method).toContain('utilisation by all processes');
    expect(result.warnings.map(({ code }) => code)).not.toContain('busy-neighbours');
  });
});

describe('a run without a counter of energy', () => {
  it.each([
    ['cpu', 'permission', 'sudo chmod'],
    ['cuda', 'permission', 'sudo chmod'],
  ])('on %s names the one that needs but a permission', (device, reason, hint) => {
    const sensors = [
      absentSensor('nvml', 'unsupported', 'There is no driver.'),
      absentSensor('rapl', 'permission', 'sudo chmod a+r …'),
    ].map((absent) => [absent, []] as const);
    const result = fold([...sampling(sensors, [0, 3], 1), ran(0, 1, 2, 1), ended(2)], { device });
    expect(result.metrics.energy).toMatchObject({
      ...{ provenance: 'unavailable', reason, hint: expect.stringContaining(hint) },
    });
    expect(energies(result)).toEqual([null]);
  });
});

describe('a run that was killed and resumed', () => {
  it('has the energy of both parts, and adds up what both used', () => {
    const resumed: JournalEntry = { kind: 'resumed', at: '2026-11-23T11:00:00.000Z', warnings: [] };
    const result = fold([
      ...[...sampling(packageOnly, [0, 3], 1), ran(0, 1, 2, 1)],
      ...[resumed, ...sampling(packageOnly, [10, 14], 11), ran(1, 11, 13, 1), ended(13)],
    ]);
    expect(energies(result).map((joules) => Math.round(joules!))).toEqual([100, 200]);
    // The killed part measured from 1 s until its last sample at 3 s.
    expect(Math.abs(result.conservation['energy/package-0']!.total - 400)).toBeLessThan(2);
    expectConserved(result);
    expect(result.timeline![0]!.values).toContain(null);
  });
});

describe('what else sampling tells', () => {
  const cores = (device: string, quantity: string, share: number): FakeChannel => ({
    ...{ quantity, device, unit: 'ns', kind: 'counter' },
    at: (time) => share * time * second,
  });

  it('is the resting power before and after, and how it drifted', () => {
    const drifting = energyOf('package-0', 100);
    const at = (time: number) => (time < 3 ? 100 * time : 300 + 110 * (time - 3));
    const span = (of: 'idle-before' | 'idle-after', from: number): JournalEntry => ({
      ...{ kind: 'span', of, fromNs: from * second, toNs: (from + 1) * second },
    });
    const result = fold([
      ...sampling(on(['rapl', [{ ...drifting, at }]]), [0, 6], 2),
      ...[span('idle-before', 0.5), ran(0, 2, 3, 1), ended(3), span('idle-after', 4)],
    ]);
    const baseline = result.idleBaseline!['energy/package-0']!;
    expect(baseline.before).toBeCloseTo(100, 0);
    expect(baseline.after).toBeCloseTo(110, 0);
    expect(baseline.drift).toBeCloseTo(10 / 105, 2);
  });

  it.each([
    [1.9, true],
    [1.05, false],
  ])('is whether others kept the processor busy (%f cores in all)', (all, warns) => {
    const sensors = on(
      ['rapl', [energyOf('package-0', 100)]],
      ['process', [cores('process', 'cpuTime', 1)]],
      ['system-cpu', [cores('system', 'busyTime', all)]],
    );
    const { warnings } = fold([...sampling(sensors, [0, 4], 1), ran(0, 1, 3, 1), ended(3)]);
    expect(warnings.some(({ code }) => code === 'busy-neighbours')).toBe(warns);
  });

  it.each([
    ['others use cores and no energy is counted', { busyTime: 1.9 }, 'other processes kept 0.9 cores busy'],
    ['a hypervisor gives cores to others', { stolenTime: 0.3 }, 'other guests of the host took 0.30 cores'],
    ['pressure comes with them', { busyTime: 1.9, cpuStall: 0.99 }, 'some task waited for a core for 99% of'],
    ['pressure is of the run itself', { cpuStall: 0.99 }, null],
    ['nothing else runs', { busyTime: 1.05, stolenTime: 0.01 }, null],
  ])('is that the machine was busy, where %s', (_, shares: Record<string, number>, says) => {
    const system = Object.entries({ busyTime: 1, ...shares }).map(([name, share]) =>
      cores('system', name, share),
    );
    const sensors = on(['process', [cores('process', 'cpuTime', 1)]], ['system-cpu', system]);
    const { warnings } = fold([...sampling(sensors, [0, 4], 1), ran(0, 1, 3, 1), ended(3)]);
    const found = warnings.filter(({ code }) => code === 'busy-neighbours').map(({ message }) => message);
    expect(found).toEqual(says === null ? [] : [expect.stringContaining(says)]);
  });

  it('is that requests waited for a core', () => {
    const sensors = on(['process', [cores('process', 'cpuTime', 1)]]);
    const entry = ran(0, 1, 3, 1);
    if (entry.kind !== 'request' || !('stages' in entry.row)) throw new Error('no row');
    const waiting = { ...entry, row: { ...entry.row, runQueueWait: 0.5 * second } };
    const { warnings } = fold([...sampling(sensors, [0, 4], 1), waiting, ended(3)]);
    expect(warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('waited for a core for 25% of their time'),
    );
  });

  const count = (device: string, quantity: string, at: (time: number) => number): FakeChannel => ({
    ...{ quantity, device, unit: 'count', kind: 'counter', at },
  });
  const gauge = (
    device: string,
    quantity: string,
    unit: 'ratio' | 'bits',
    at: (time: number) => number,
  ): FakeChannel => ({
    ...{ quantity, device, unit, kind: 'gauge', at },
  });
  const limit = (at: (time: number) => number) => gauge('system', 'frequencyLimit', 'ratio', at);

  it.each<[string, FakeChannel, string | null]>([
    ['a quota withholds CPU time', cores('system', 'withheldTime', 0.3), 'a CPU quota withheld 0.30 cores'],
    ['it withholds hardly any', cores('system', 'withheldTime', 0.01), null],
    [
      'heat throttles the processor once',
      count('system', 'thermalThrottles', (time) => (time < 2 ? 7 : 8)),
      'the processor was throttled for heat (1×)',
    ],
    ['heat did so before', count('system', 'thermalThrottles', (time) => (time < 0.4 ? 7 : 8)), null],
    [
      'the limit of the clock falls',
      limit((time) => (time < 2 ? 0.8 : 0.6)),
      "the limit of the cores' frequency fell to 75% of what it was",
    ],
    ['the limit is low and stays', limit(() => 0.6), null],
  ])('is that the machine was held back, where %s', (_, channel, says) => {
    const sensors = on(['sensor', [channel]]);
    const { warnings } = fold([...sampling(sensors, [0, 4], 1), ran(0, 1, 3, 1), ended(3)]);
    const found = warnings.filter(({ code }) => code === 'throttled').map(({ message }) => message);
    expect(found).toEqual(says === null ? [] : [expect.stringContaining(says)]);
  });

  it('is that a GPU in use was slowed down for heat, and not that it is at its power limit', () => {
    const at = (mask: number) => {
      const sensors = on([
        'nvml',
        [gauge('gpu-0', 'throttleReasons', 'bits', (time) => (time < 2 ? 0 : mask))],
      ]);
      return (device: string) =>
        fold([...sampling(sensors, [0, 4], 1), ran(0, 1, 3, 1), ended(3)], { device })
          .warnings.filter(({ code }) => code === 'throttled')
          .map(({ message }) => message);
    };
    // Hardware thermal slowdown with power limit; power limit alone (NVML, clock event reasons).
    expect(at(0x44)('cuda')).toEqual([
      expect.stringMatching(/gpu-0 was slowed down .* for 5\d% of the time/),
    ]);
    expect(at(0x44)('cpu')).toEqual([]);
    expect(at(0x04)('cuda')).toEqual([]);
  });
});
