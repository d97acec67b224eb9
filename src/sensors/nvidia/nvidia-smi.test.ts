import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { monotonicClock } from '../../core/clock.js';
import { fakeClock, openOrFail, record } from '../sensor-probe.test-support.js';
import { nvidiaSmiSensor, readSmiInventory } from './nvidia-smi.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-smi-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Machine {
  /** By GPU, its values by field; a field that no GPU has is not known to this version. */
  gpus: Record<string, string>[];
  /** Fields this version does not know. */
  unknown?: string[];
  /** What the looping process prints after its first round, and how it goes on. */
  meanwhile?: string;
  dies?: boolean;
  /** In place of everything. */
  fails?: string;
  /** Lines put before the header, and after the first rows. */
  before?: string;
  after?: string;
  headless?: boolean;
  /** The exit code of a call that ends. */
  code?: number;
  /** How long the looping process pauses before it prints `meanwhile`. */
  pauseMs?: number;
}

const units: Record<string, string> = {
  'power.draw': ' [W]',
  'power.draw.instant': ' [W]',
  'utilization.gpu': ' [%]',
  'memory.used': ' [MiB]',
  'clocks.sm': ' [MHz]',
  'clocks.mem': ' [MHz]',
};
const longNames: Record<string, string> = {
  'clocks.sm': 'clocks.current.sm',
  'clocks.mem': 'clocks.current.memory',
};

/** A program that answers as nvidia-smi on that machine would. */
function fakeSmi(name: string, machine: Machine): string[] {
  const script = join(directory, `${name}.cjs`);
  writeFileSync(
    script,
    `const machine = ${JSON.stringify(machine)}, units = ${JSON.stringify(units)}, names = ${JSON.stringify(longNames)};
if (machine.fails !== undefined) { process.stdout.write(machine.fails); process.exit(9); }
const query = process.argv.find((option) => option.startsWith('--query-gpu=')).slice(12).split(',');
const unknown = query.find((field) => (machine.unknown ?? []).includes(field));
if (unknown) { process.stdout.write('Field "' + unknown + '" is not a valid field to query.\\n\\n'); process.exit(2); }
const rows = () => machine.gpus.map((gpu, index) => query.map((field) => field === 'index' ? index : gpu[field] ?? '[N/A]').join(', ') + '\\n').join('');
process.exitCode = machine.code ?? 0;
const header = query.map((field) => (names[field] ?? field) + (units[field] ?? '')).join(', ') + '\\n';
process.stdout.write((machine.before ?? '') + (machine.headless ? '' : header) + rows() + (machine.after ?? ''));
if (process.argv.some((option) => option.startsWith('--loop-ms='))) {
  setTimeout(() => {
    process.stdout.write(machine.meanwhile ?? '', () => { if (machine.dies) process.exit(15); });
    if (!machine.dies) setTimeout(() => setInterval(() => process.stdout.write(rows()), 20), machine.pauseMs ?? 0);
  }, 20);
}
`,
  );
  return [process.execPath, script];
}

const h100 = {
  name: 'NVIDIA H100 80GB HBM3',
  'power.draw.instant': '312.50 W',
  'power.draw': '290.00 W',
  'utilization.gpu': '97 %',
  'memory.used': '1024 MiB',
  'clocks.sm': '1980 MHz',
  'clocks.mem': '2619 MHz',
  'temperature.gpu': '61',
  'clocks_throttle_reasons.active': '0x0000000000000004',
};

describe('nvidiaSmiSensor', () => {
  it('reads all in base units from one process', async () => {
    const sensor = await openOrFail(nvidiaSmiSensor(fakeSmi('h100', { gpus: [h100] })));
    const latest = {};
    await expect
      .poll(() => Object.assign(latest, record(sensor).latest), { timeout: 20_000 })
      .toEqual({
        'gpu-0 power': 312.5,
        'gpu-0 utilisation': 0.97,
        'gpu-0 memoryUsed': 2 ** 30,
        'gpu-0 smClock': 1.98e9,
        'gpu-0 memoryClock': 2.619e9,
        'gpu-0 temperature': 61,
        'gpu-0 throttleReasons': 4,
      });
    expect(sensor.channels[0]).not.toHaveProperty('averagedOverNs');
    sensor.close();
  });

  it('asks an older or newer version by the names it knows', async () => {
    const old = { ...h100, 'clocks_event_reasons.active': '0x08' };
    const sensor = await openOrFail(
      nvidiaSmiSensor(
        fakeSmi('old', { gpus: [old], unknown: ['power.draw.instant', 'clocks_throttle_reasons.active'] }),
      ),
    );
    const latest = {};
    await expect
      .poll(() => Object.assign(latest, record(sensor).latest), { timeout: 20_000 })
      .toMatchObject({ 'gpu-0 power': 290, 'gpu-0 throttleReasons': 8 });
    expect(sensor.channels[0]).toMatchObject({ quantity: 'power', averagedOverNs: 1e9 });
    sensor.close();
  });

  it('names what one of two GPUs does not show, and why', async () => {
    const laptop = { ...h100, name: 'NVIDIA GeForce MX450', 'power.draw.instant': '[N/A]' };
    const silent = { ...h100, 'power.draw.instant': '[Insufficient Permissions]' };
    const sensor = await openOrFail(nvidiaSmiSensor(fakeSmi('two', { gpus: [laptop, h100, silent] })));
    expect(sensor.missing).toMatchObject([
      { device: 'gpu-0', quantity: 'power', reason: 'unsupported', hint: expect.stringContaining('MX450') },
      { device: 'gpu-2', quantity: 'power', reason: 'permission' },
    ]);
    const latest = {};
    await expect
      .poll(() => Object.assign(latest, record(sensor).latest), { timeout: 20_000 })
      .toMatchObject({ 'gpu-1 power': 312.5, 'gpu-0 utilisation': 0.97, 'gpu-2 temperature': 61 });
    expect(latest).not.toHaveProperty('gpu-0 power');
    sensor.close();
  });

  it('takes nothing that a GPU split by MIG shows of all instances for one’s own', async () => {
    const split = { ...h100, 'mig.mode.current': 'Enabled', 'utilization.gpu': '[N/A]' };
    const whole = { ...h100, 'mig.mode.current': 'Disabled' };
    const sensor = await openOrFail(nvidiaSmiSensor(fakeSmi('mig', { gpus: [split, whole] })));
    expect(sensor.missing).toMatchObject([
      { device: 'gpu-0', quantity: 'power', mig: true, hint: expect.stringContaining('-i 0 -mig 0') },
      { device: 'gpu-0', quantity: 'utilisation', mig: true },
    ]);
    const latest = {};
    await expect
      .poll(() => Object.assign(latest, record(sensor).latest), { timeout: 20_000 })
      .toMatchObject({ 'gpu-0 memoryUsed': 2 ** 30, 'gpu-1 power': 312.5, 'gpu-1 utilisation': 0.97 });
    expect(latest).not.toHaveProperty('gpu-0 power');
    sensor.close();
  });

  it('asks a version from before MIG without it', async () => {
    const sensor = await openOrFail(
      nvidiaSmiSensor(fakeSmi('before-mig', { gpus: [h100], unknown: ['mig.mode.current'] })),
    );
    expect(sensor.missing).toEqual([]);
    sensor.close();
  });

  const noise = 'Unable to determine the device handle for GPU0000:BA:80.0: Unknown Error\n';
  /** The first powers of the first GPU. */
  const firstPowers = async (machine: Machine, name: string, count: number) => {
    const clock = monotonicClock(process.hrtime.bigint());
    const sensor = await openOrFail(nvidiaSmiSensor(fakeSmi(name, machine)), clock);
    const seen: number[] = [];
    await expect
      .poll(
        () => {
          sensor.read({ put: (channel, value) => channel === 0 && seen.push(value), lose: () => {} });
          return seen.length;
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThanOrEqual(count);
    sensor.close();
    return seen.slice(0, count);
  };

  it('loses nothing by a message between the rows', async () => {
    expect(await firstPowers({ gpus: [h100], meanwhile: noise }, 'noise', 3)).toEqual([312.5, 312.5, 312.5]);
  });

  it('leaves a gap where a message stands in place of rows, and reads on', async () => {
    const replaced = { gpus: [h100], meanwhile: noise, pauseMs: 300 };
    expect(await firstPowers(replaced, 'replaced', 3)).toEqual([312.5, Number.NaN, 312.5]);
  });

  it('leaves a gap at half a row', async () => {
    const half = { gpus: [h100], meanwhile: '0, NVIDIA H100 80GB\n' };
    expect(await firstPowers(half, 'half', 3)).toEqual([312.5, Number.NaN, 312.5]);
  });

  const warning = 'WARNING: infoROM is corrupted at gpu 0000:3B:00.0\n';
  it.each([
    ['before the header', { before: warning }],
    ['after the rows', { after: warning }],
    ['with exit code 14', { after: warning, code: 14 }],
    ['and a header that is not there', { before: warning, headless: true }],
  ])('reads a GPU with a warning %s', async (where, beside) => {
    const sensor = await openOrFail(
      nvidiaSmiSensor(fakeSmi(`warns-${where.length}`, { gpus: [h100], ...beside })),
    );
    expect(sensor.channels.map(({ quantity }) => quantity)).toEqual([
      ...['power', 'utilisation', 'memoryUsed', 'smClock', 'memoryClock', 'temperature', 'throttleReasons'],
    ]);
    expect(sensor.missing).toEqual([]);
    sensor.close();
  });

  it('names the GPU of which half a row came, and reads the other', async () => {
    const after = '1, NVIDIA H100 80GB\n';
    const sensor = await openOrFail(nvidiaSmiSensor(fakeSmi('half-first', { gpus: [h100], after })));
    expect(sensor.missing).toMatchObject([{ device: 'gpu-1', quantity: 'all' }]);
    expect(sensor.channels).toHaveLength(7);
    sensor.close();
  });

  it.skipIf(process.platform === 'win32')(
    'is left out, by name, where nvidia-smi neither answers nor ends at SIGTERM',
    async () => {
      const script = join(directory, 'wedged.sh');
      writeFileSync(script, '#!/bin/sh\ntrap "" TERM\nsleep 1000 & wait\nsleep 1000\n', { mode: 0o755 });
      const [answer, inventory] = await Promise.all([
        nvidiaSmiSensor([script], 500).open(fakeClock()),
        readSmiInventory([script], 500).catch(String),
      ]);
      expect(answer).toMatchObject({
        reason: 'unsupported',
        hint: expect.stringContaining('no answer within'),
      });
      expect(inventory).toContain('no answer within');
    },
    30_000,
  );

  it('ends with the process, which leaves half a line', async () => {
    const half = '0, NVIDIA H100 80GB HBM3, 999.9';
    const sensor = await openOrFail(
      nvidiaSmiSensor(fakeSmi('dies', { gpus: [h100], meanwhile: half, dies: true })),
    );
    const powers: number[] = [];
    const read = () => {
      sensor.read({ put: (channel, value) => channel === 0 && powers.push(value), lose: () => {} });
      return 'goes on';
    };
    await expect.poll(() => attempt(read), { timeout: 20_000 }).toContain('ended by itself (15)');
    expect(powers).toEqual([312.5]);
    sensor.close();
  });

  it.each([
    ['No devices were found\n', 'No devices'],
    ['Failed to initialize NVML: Driver/library version mismatch\n', 'version mismatch'],
    ['', 'ended with 9'],
    ['<<<garbage>>>', 'garbage'],
  ])('is unavailable where nvidia-smi says %j', async (fails, said) => {
    const answer = await nvidiaSmiSensor(fakeSmi('fails', { gpus: [], fails })).open(fakeClock());
    expect(answer).toMatchObject({ reason: 'unsupported', hint: expect.stringContaining(said) });
  });

  it('is unavailable where there is no nvidia-smi', async () => {
    const answer = await nvidiaSmiSensor([join(directory, 'absent')]).open(fakeClock());
    expect(answer).toMatchObject({ reason: 'unsupported', hint: expect.stringContaining('driver') });
  });
});

describe('readSmiInventory', () => {
  it('fails with the program’s own words', async () => {
    const command = fakeSmi('inventory', { gpus: [], fails: 'NVIDIA-SMI has failed' });
    await expect(readSmiInventory(command)).rejects.toThrow(/^NVIDIA-SMI has failed$/);
  });
});

function attempt(read: () => string): string {
  try {
    return read();
  } catch (error) {
    return String(error);
  }
}
