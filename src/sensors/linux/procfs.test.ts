import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { fakeClock, openOrFail, record } from '../sensor-probe.test-support.js';
import { cpuFrequencySensor, openThermalThrottles } from './cpu-frequency.js';
import { cpuQuotaSensor, openWithheldCpu, withheldNs } from './cpu-quota.js';
import { pressureSensor, stalledNs } from './pressure.js';
import { processPssSensor } from './process-pss.js';
import { processUsageSensor } from './process-usage.js';
import { openOthersCpu, systemCpuSensor, systemTimes } from './system-cpu.js';

const parent = mkdtempSync(join(tmpdir(), 'tokenwork-procfs-'));
afterAll(() => rmSync(parent, { recursive: true }));
let root = '';
let trees = 0;
beforeEach(() => {
  root = join(parent, String(trees++));
  mkdirSync(root);
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

describe('systemTimes', () => {
  it('counts guests once, and interrupts as busy', () => {
    // user nice system idle iowait irq softirq steal guest guest_nice; guests are within user and nice.
    const stat = 'cpu  100 10 20 1000 5 3 2 7 50 5\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 12\n';
    expect(systemTimes(stat)).toEqual([1.35e9, 10e9, 0.05e9, 0.07e9]);
  });

  it('reads the four columns of the oldest kernels', () => {
    expect(systemTimes('cpu  1 2 3 4\n')).toEqual([6e7, 4e7, 0, 0]);
  });

  it('refuses text without the line of all CPUs', () => {
    expect(() => systemTimes('cpu0 1 2 3 4\n')).toThrow('no line of all CPUs');
  });
});

describe('the CPU that others use', () => {
  it('is what the machine was busy beside this process, in cores', () => {
    const stat = (ticks: number) => writeFileSync(join(root, 'stat'), `cpu  ${ticks} 0 0 0\n`);
    stat(0);
    const since = openOthersCpu(root)!;
    const untilNs = process.hrtime.bigint() + 50_000_000n;
    while (process.hrtime.bigint() < untilNs) Math.sqrt(2);
    // 3,000 ticks of 10 ms in some 50 ms.
    stat(3000);
    expect(since()).toBeGreaterThan(10);
    stat(0);
    expect(since()).toBe(0);
    expect(openOthersCpu(join(root, 'nowhere'))).toBeNull();
  });
});

describe('systemCpuSensor', () => {
  it('is unavailable without /proc', async () => {
    const answer = await systemCpuSensor(root).open(fakeClock());
    expect(answer).toMatchObject({ reason: 'unsupported', hint: expect.stringContaining('/proc') });
  });
});

describe('pressureSensor', () => {
  const text = (total: number) =>
    `some avg10=0.68 avg60=0.89 avg300=0.61 total=${total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n`;

  it('reads the stalled time in ns', () => {
    expect(stalledNs(text(16356744))).toBe(16_356_744_000);
  });

  it('reads what is there and names what is not', async () => {
    write('pressure/cpu', text(5));
    write('pressure/io', text(7));
    const sensor = await openOrFail(pressureSensor(root));
    expect(record(sensor).latest).toEqual({ 'system cpuStall': 5000, 'system ioStall': 7000 });
    expect(sensor.missing).toMatchObject([{ quantity: 'memoryStall', reason: 'unsupported' }]);
    sensor.close();
  });

  it('says how to switch it on', async () => {
    expect(await pressureSensor(root).open(fakeClock())).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringContaining('psi=1'),
    });
  });
});

describe('cpuFrequencySensor', () => {
  const core = (index: number, kilohertz: number, socket: number, throttles: number) => {
    const path = `devices/system/cpu/cpu${index}`;
    write(`${path}/cpufreq/scaling_cur_freq`, `${kilohertz}\n`);
    write(`${path}/topology/physical_package_id`, `${socket}\n`);
    write(`${path}/thermal_throttle/package_throttle_count`, `${throttles}\n`);
  };

  it('takes mean and lowest frequency, and each package’s throttles once', async () => {
    core(0, 3_000_000, 0, 2);
    core(1, 1_000_000, 0, 2);
    core(2, 2_000_000, 1, 5);
    const sensor = await openOrFail(cpuFrequencySensor(root));
    expect(record(sensor).latest).toEqual({
      'system meanFrequency': 2e9,
      'system lowestFrequency': 1e9,
      'system thermalThrottles': 7,
    });
    sensor.close();
  });

  it('asks a few cores of many, evenly spaced', async () => {
    for (let index = 0; index < 64; index++) core(index, (index + 1) * 1000, 0, 0);
    const sensor = await openOrFail(cpuFrequencySensor(root));
    // Cores 0, 8, …, 56.
    expect(record(sensor).latest['system meanFrequency']).toBe(29e6);
    sensor.close();
  });

  it('counts the throttles of each core once, however many threads it has', async () => {
    for (const [index, of] of [0, 1, 0, 1].entries()) {
      write(`devices/system/cpu/cpu${index}/topology/core_id`, `${of}\n`);
      write(`devices/system/cpu/cpu${index}/topology/physical_package_id`, '0\n');
      write(`devices/system/cpu/cpu${index}/thermal_throttle/core_throttle_count`, `${of + 3}\n`);
    }
    const sensor = await openOrFail(cpuFrequencySensor(root));
    expect(record(sensor).latest).toEqual({ 'system thermalThrottles': 3 + 4 });
    sensor.close();
    const since = openThermalThrottles(root)!;
    write('devices/system/cpu/cpu1/thermal_throttle/core_throttle_count', '6\n');
    expect(since()).toBe(2);
  });

  it('takes the lowest limit that is set to a core’s frequency, as a share of what its hardware can', async () => {
    for (const [index, limit] of [4_000_000, 3_000_000].entries()) {
      write(`devices/system/cpu/cpu${index}/cpufreq/cpuinfo_max_freq`, '4000000\n');
      write(`devices/system/cpu/cpu${index}/cpufreq/scaling_max_freq`, `${limit}\n`);
    }
    const sensor = await openOrFail(cpuFrequencySensor(root));
    expect(record(sensor).latest).toEqual({ 'system frequencyLimit': 0.75 });
    sensor.close();
  });

  it('is unavailable where a virtual machine shows none', async () => {
    write('devices/system/cpu/cpu0/topology/physical_package_id', '0\n');
    expect(await cpuFrequencySensor(root).open(fakeClock())).toMatchObject({ reason: 'unsupported' });
  });
});

describe('cpuQuotaSensor', () => {
  const stat = (of: string) =>
    `usage_usec 9\nuser_usec 8\nsystem_usec 1\nnr_periods 20\nnr_throttled 3\n${of}\nnr_bursts 0\nburst_usec 0\n`;
  const withheld = async () => {
    const sensor = await openOrFail(cpuQuotaSensor(root));
    const { latest } = record(sensor);
    sensor.close();
    return latest['system withheldTime'];
  };

  it('reads both versions of control groups in ns', () => {
    expect(withheldNs(stat('throttled_usec 1500'))).toBe(1_500_000);
    expect(withheldNs('nr_periods 0\nnr_throttled 0\nthrottled_time 1500\n')).toBe(1500);
    expect(withheldNs('usage_usec 9\nuser_usec 8\nsystem_usec 1\n')).toBeNull();
  });

  it('adds the groups around the process’s own, of which the root has no quota', async () => {
    write('proc/self/cgroup', '0::/kubepods.slice/pod1/c1\n');
    write('sys/fs/cgroup/cpu.stat', 'usage_usec 9\nuser_usec 8\nsystem_usec 1\n');
    write('sys/fs/cgroup/kubepods.slice/pod1/cpu.stat', stat('throttled_usec 30'));
    write('sys/fs/cgroup/kubepods.slice/pod1/c1/cpu.stat', stat('throttled_usec 12'));
    expect(await withheld()).toBe(42_000);
  });

  it('finds the group of a container that sees its own as the root', async () => {
    write('proc/self/cgroup', '0::/../../docker/abc\n');
    write('sys/fs/cgroup/cpu.stat', stat('throttled_usec 7'));
    expect(await withheld()).toBe(7000);
  });

  it('reads version 1 where it has the CPU controller', async () => {
    write('proc/self/cgroup', '5:memory:/a\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n');
    write('sys/fs/cgroup/cpu,cpuacct/cpu.stat', 'nr_periods 5\nnr_throttled 2\nthrottled_time 123\n');
    write('sys/fs/cgroup/memory/cpu.stat', 'throttled_time 1000000\n');
    expect(await withheld()).toBe(123);
  });

  it('gives the cores that were withheld since', async () => {
    write('proc/self/cgroup', '0::/\n');
    write('sys/fs/cgroup/cpu.stat', stat('throttled_usec 0'));
    const since = openWithheldCpu(root)!;
    // An hour of CPU time in far less of an hour.
    write('sys/fs/cgroup/cpu.stat', stat('throttled_usec 3600000000'));
    expect(since()).toBeGreaterThan(1);
  });

  it('is unavailable without control groups, and where none has the CPU controller', async () => {
    expect(await cpuQuotaSensor(root).open(fakeClock())).toMatchObject({
      hint: expect.stringMatching(/proc/),
    });
    write('proc/self/cgroup', '0::/user.slice\n');
    write('sys/fs/cgroup/cpu.stat', 'usage_usec 9\n');
    expect(await cpuQuotaSensor(root).open(fakeClock())).toMatchObject({ reason: 'unsupported' });
    expect(openWithheldCpu(root)).toBeNull();
  });
});

describe('processUsageSensor', () => {
  it('reads this process, with or without /proc', async () => {
    for (const proc of ['/proc', root]) {
      const sensor = await openOrFail(processUsageSensor(proc));
      const { latest } = record(sensor);
      expect(latest['process cpuTime']).toBeGreaterThan(0);
      expect(latest['process minorFaults']).toBeGreaterThan(0);
      expect(latest['process peakMemory']).toBeGreaterThan(0);
      expect(latest['process residentMemory']).toBeGreaterThan(2 ** 20);
      sensor.close();
    }
  });
});

describe('processPssSensor', () => {
  it('reads the proportional set size in bytes', async () => {
    write('self/smaps_rollup', '55-7f ---p 0 00:00 0 [rollup]\nRss:  1740 kB\nPss:   354 kB\n');
    const sensor = await openOrFail(processPssSensor(root));
    expect(record(sensor).latest).toEqual({ 'process proportionalMemory': 354 * 1024 });
    sensor.close();
  });

  it('is read so seldom that it costs a thousandth of a core', async () => {
    write('self/smaps_rollup', 'Pss:   354 kB\n');
    const clock = fakeClock();
    let usedNs = 0;
    const threadNs = () => {
      const before = usedNs;
      usedNs += 6e6; // Read before and after: a reading then costs 6 ms.
      return before;
    };
    const sensor = await openOrFail(processPssSensor(root, { threadNs, processNs: () => 0 }), clock);
    const isRead = () => Object.keys(record(sensor).latest).length > 0;
    expect(isRead()).toBe(true);
    clock.advance(5.9e9);
    expect(isRead()).toBe(false);
    clock.advance(0.2e9);
    expect(isRead()).toBe(true);
    sensor.close();
  });

  it('is unavailable on an older kernel', async () => {
    expect(await processPssSensor(root).open(fakeClock())).toMatchObject({ reason: 'unsupported' });
  });
});
