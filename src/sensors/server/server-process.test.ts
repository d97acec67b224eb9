import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { monotonicClock } from '../../core/clock.js';
import { lacksLlamaServer, llamaServer } from '../../engines/endpoint/llama-server.test-support.js';
import { openProcessClocks } from '../linux/cpu-time.js';
import { openOrFail, record } from '../sensor-probe.test-support.js';
import { serverProcessSensor } from './server-process.js';

const onLinux = process.platform === 'linux';
const clock = monotonicClock();
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  children.push(child);
  return child;
}

/** Uses so many ms of CPU time when told to, and answers with all that it has used so far, in ns. */
const burner = `
  const usedMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
  process.stdin.on('data', (told) => {
    const until = usedMs() + Number(told);
    while (usedMs() < until);
    process.stdout.write(String(usedMs() * 1e6));
  });
  process.stdout.write('0');`;

async function say(child: ChildProcess, told: string): Promise<number> {
  child.stdin!.write(told);
  const [answer] = await once(child.stdout!, 'data');
  // The kernel adds up what a thread has used when it waits, and this one is about to.
  await sleep(30);
  return Number(answer);
}

const cpuTime = 'server cpuTime';

describe.runIf(onLinux)('serverProcessSensor', () => {
  it('reads what a process says of its own CPU time', async () => {
    const child = start(process.execPath, ['-e', burner]);
    await once(child.stdout!, 'data');
    const sensor = await openOrFail(serverProcessSensor(child.pid!), clock);
    onTestFinished(() => sensor.close());
    const before = { own: await say(child, '1'), seen: record(sensor).latest[cpuTime]! };
    const after = { own: await say(child, '120'), seen: record(sensor).latest[cpuTime]! };
    expect((after.seen - before.seen) / (after.own - before.own)).toBeCloseTo(1, 1);
  });

  it('holds the time of a child that burned and ended between two readings', async () => {
    const script = `read -r _; ${JSON.stringify(process.execPath)} -e 'while (process.cpuUsage().user < 100e3);'; echo done; read -r _`;
    const child = start('/bin/sh', ['-c', script]);
    const sensor = await openOrFail(serverProcessSensor(child.pid!), clock);
    onTestFinished(() => sensor.close());
    const before = record(sensor).latest[cpuTime]!;
    child.stdin!.write('go\n');
    await once(child.stdout!, 'data');
    const after = record(sensor).latest[cpuTime]!;
    // The kernel tells the child's user and system time in steps of 10 ms each.
    expect(after - before).toBeGreaterThan(80e6);
    expect(record(sensor).latest[cpuTime]!).toBeGreaterThanOrEqual(after);
  });

  it('sees resident memory, and ends with the process', async () => {
    const child = start(process.execPath, ['-e', burner]);
    await once(child.stdout!, 'data');
    const sensor = await openOrFail(serverProcessSensor(child.pid!), clock);
    onTestFinished(() => sensor.close());
    expect(record(sensor).latest['server residentMemory']).toBeGreaterThan(10 * 2 ** 20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    record(sensor);
    expect(() => record(sensor)).toThrow(`the server's process ${child.pid} ended`);
  });

  it('says that there is no such process', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    expect(await serverProcessSensor(pid).open(clock)).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringContaining(`no process ${pid}`),
    });
  });

  it('agrees with /proc/PID/stat to its ticks', async () => {
    const child = start(process.execPath, ['-e', burner]);
    await once(child.stdout!, 'data');
    await say(child, '30');
    const { ofProcess, tickNs } = openProcessClocks()!;
    expect([1e6, 10e6 / 3, 4e6, 10e6]).toContainEqual(expect.closeTo(tickNs, -1));
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    const statNs = (Number(stat[11]) + Number(stat[12])) * 10e6;
    expect(Math.abs(ofProcess(child.pid!)! - statNs)).toBeLessThanOrEqual(20e6);
    expect(ofProcess(spawnSync(process.execPath, ['--version']).pid)).toBeNull();
  });
});

describe.skipIf(lacksLlamaServer !== null)(
  `llama-server${lacksLlamaServer ? ` (${lacksLlamaServer})` : ''}`,
  () => {
    it('used over its requests what its clock and its ticks both say', async () => {
      const { origin, pid, close } = await llamaServer();
      onTestFinished(close);
      const sensor = await openOrFail(serverProcessSensor(pid), clock);
      onTestFinished(() => sensor.close());
      const ticks = () => {
        const fields = execFileSync('cat', [`/proc/${pid}/stat`], { encoding: 'latin1' })
          .split(') ')[1]!
          .split(' ');
        return (Number(fields[11]) + Number(fields[12])) * 10e6;
      };
      const beforeNs = { clock: record(sensor).latest[cpuTime]!, ticks: ticks() };
      const body = JSON.stringify({ prompt: 'Once', n_predict: 400, ignore_eos: true });
      const answer = await fetch(`${origin}/completion`, { method: 'POST', body });
      expect(answer.status).toBe(200);
      await answer.text();
      await sleep(20);
      const usedNs = {
        clock: record(sensor).latest[cpuTime]! - beforeNs.clock,
        ticks: ticks() - beforeNs.ticks,
      };
      expect(usedNs.clock).toBeGreaterThan(10e6);
      // User and system time are cut to a tick of 10 ms each, at both ends.
      expect(Math.abs(usedNs.clock - usedNs.ticks)).toBeLessThanOrEqual(20e6);
    });
  },
);
