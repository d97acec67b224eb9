import { describe, expect, it } from 'vitest';
import type { MachineExamination } from '../run/examine-machine.js';
import type { SensorReport } from '../sampling/inspect.js';
import { renderExamination } from './machine-report.js';

const absent = (name: string, reason: SensorReport['reason'], hint: string): SensorReport => ({
  name,
  reads: name,
  available: false,
  reason,
  hint,
  channels: [],
  missing: [],
  periodNs: null,
  latest: [],
});

/** A laptop whose GPU shows no energy, and whose CPU's counters are root's. */
const laptop: MachineExamination = {
  hardware: {
    id: 'laptop-8c-16g',
    cpu: { brand: 'Some CPU', physicalCores: 4, logicalCores: 8 },
    memoryBytes: 16 * 2 ** 30,
    gpus: [],
    ceilings: null,
  },
  os: 'Some Linux 1 (kernel 6.1.0, x64)',
  virtualization: { container: true, virtualMachine: null },
  usableCores: 8,
  warnings: [],
  backEnds: [
    {
      name: 'ONNX Runtime, C API',
      device: 'cpu',
      available: true,
      version: '1.30.0',
      file: '/a.so',
      adapter: null,
      hint: null,
    },
    {
      name: 'CUDA',
      device: 'gpu',
      available: false,
      version: null,
      file: null,
      adapter: null,
      hint: 'Not used here.',
    },
  ],
  meters: [{ name: 'cpu-time', available: true, method: 'thread CPU clock', hint: null }],
  libraries: [{ name: 'NVML', file: 'libnvidia-ml.so.1', loads: true }],
  failures: [],
  inspection: {
    sensors: [
      {
        ...absent('nvml', null, ''),
        available: true,
        hint: null,
        periodNs: 22e6,
        channels: [
          {
            id: 0,
            quantity: 'energy',
            device: 'gpu-0',
            unit: 'J',
            kind: 'counter',
            counterPeriodNs: 100e6,
            periodResolved: true,
          },
        ],
        missing: [
          { device: 'gpu-1', quantity: 'power', reason: 'unsupported', hint: 'This GPU shows none.' },
        ],
        latest: [{ channel: 0, value: 12 }],
      },
      {
        ...absent('process', null, ''),
        available: true,
        hint: null,
        periodNs: 100e6,
        channels: [
          {
            id: 1,
            quantity: 'cpuTime',
            device: 'process',
            unit: 'ns',
            kind: 'counter',
            counterPeriodNs: 4e6,
            periodResolved: false,
          },
        ],
        latest: [{ channel: 1, value: null }],
      },
      absent(
        'rapl',
        'permission',
        'Allow it with: sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj',
      ),
      absent('amd', 'unsupported', 'There is none.'),
      absent('apple', 'unsupported', 'There is none.'),
      absent('nvidia-smi', 'not-applicable', 'Not needed: nvml reads the same, more precisely.'),
    ],
    sampler: {
      cpuShare: 0.004,
      cpuShareAtFullRate: null,
      samplesAtFullRate: 812,
      droppedAtFullRate: 3,
      missedAtFullRate: 1,
    },
    clock: { offsetNs: -2000, withinNs: 15000 },
    warnings: [{ code: 'sensor-lost', message: 'nvml ended.', hint: 'Look.' }],
  },
};

const lines = (text: string) => text.split('\n');
const row = (name: string) =>
  lines(renderExamination(laptop, 80))
    .find((line) => line.startsWith(`${name} `))!
    .split(/\s{2,}/);

describe('renderExamination', () => {
  it('fits a terminal of 80 columns, without colour', () => {
    const text = renderExamination(laptop, 80);
    expect(Math.max(...lines(text).map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(text).not.toContain('\u001b');
  });

  it('takes the coarser of tick and reading for the window a counter is good for', () => {
    expect(row('nvml')).toEqual(['nvml', 'works', '1', '22 ms', '100 ms', '1 s', '–']);
    expect(row('process')).toEqual(['process', 'gives nothing', '1', '100 ms', '≤4 ms', '1 s', '–']);
  });

  it('tells what is refused from what is not there and what is not needed', () => {
    expect(row('rapl')[1]).toBe('permission');
    expect(row('amd')[1]).toBe('unsupported');
    expect(row('nvidia-smi')[1]).toBe('not needed');
    expect(renderExamination(laptop, 80)).toContain('Refused: rapl\n');
  });

  it('gives each piece of advice once, with the command in it, and none for what is not needed', () => {
    const [, advice = ''] = renderExamination(laptop, 200).split('Missing, and what would help\n');
    expect(advice).toContain('rapl: Allow it with: sudo chmod a+r');
    expect(advice).toContain('amd, apple: There is none.');
    expect(advice).toContain('nvml gpu-1 power: This GPU shows none.');
    expect(advice).not.toContain('nvidia-smi');
  });

  it('sets apart what only a GPU needs where none was found', () => {
    const [cpu, gpu] = ['rapl', 'amd'].map((name) => absent(name, 'unsupported', `Lacks ${name}.`));
    const bare = { ...laptop, inspection: { ...laptop.inspection!, sensors: [cpu!, gpu!] } };
    const [here, elsewhere] = renderExamination(bare, 200)
      .split('Missing, and what would help\n')[1]!
      .split('For a GPU, of which none was found here\n');
    expect(here!.trim()).toBe('rapl: Lacks rapl.');
    expect(elsewhere!.trim()).toBe('CUDA: Not used here.\namd: Lacks amd.');
    expect(renderExamination(laptop, 200)).not.toContain('For a GPU');
  });

  it('states what the sampler cost and lost, and how far its clock is off', () => {
    const text = renderExamination(laptop, 200);
    expect(text).toContain('0.400% of one core at the default rates, an unknown share at ten times them');
    expect(text).toContain('812 samples, 3 dropped, 1 reading too late');
    expect(text).toContain('2 µs behind the main thread');
    expect(text).toContain('Warning: nvml ended. Look.');
  });

  it('names the GPU that only a sensor sees', () => {
    expect(renderExamination(laptop, 80)).toContain('GPU: gpu-0 by nvml');
  });

  it('says so where the sampler did not start', () => {
    const text = renderExamination(
      { ...laptop, inspection: null, failures: [{ sensor: 'all', message: 'It died.' }] },
      80,
    );
    expect(text).toContain('Sampler\nFails with all: It died.');
    expect(text).not.toContain('Sensors\n');
  });
});
