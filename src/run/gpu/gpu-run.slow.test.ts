import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { isOk, type Result, resultSchema } from '../../core/result.js';
import { foldJournal } from '../../fold/result.js';
import { Journal, journalPathOf } from '../../journal/append.js';
import { readJournal } from '../../journal/read.js';
import { modelCache } from '../../models/cache.test-support.js';
import { resolveModel } from '../../models/resolve.js';
import { buildFakeNvml, compiles, type FakeNvml } from '../../sensors/nvidia/fake-nvml.test-support.js';
import { runBench } from '../bench.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-gpu-run-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const cacheDirectory = modelCache;
const library = join(directory, 'libnvidia-ml.so.1');
const suite = join(directory, 'suite.json');

describe.skipIf(!compiles)('a run on NVIDIA GPUs, their driver stood in for (needs a C compiler)', () => {
  let gpu: FakeNvml;
  /** What the counters show in mJ, from the true one of 100 W. */
  let shown = (_index: number, millijoules: number) => millijoules;

  beforeAll(async () => {
    gpu = buildFakeNvml(library);
    writeFileSync(
      suite,
      JSON.stringify({
        ...{ description: 'a test', seed: 1, models: [{ model: 'tiny', dtype: 'fp32' }] },
        ...{ design: [{ promptTokens: [4], completionTokens: [128] }], repetitions: 3 },
      }),
    );
    await resolveModel('tiny', { dtype: 'fp32', cacheDirectory });
  });
  beforeEach(() => {
    shown = (_, millijoules) => millijoules;
    gpu.reset(2, 0);
    for (const index of [0, 1]) {
      gpu.load(index, 50, 0);
      gpu.processes(index, 1, process.pid, 2 ** 30);
    }
  });

  /** The last run as it was, its models on the CPU beside the GPUs. */
  let asItWas: Result;

  /** Measured on the CPU beside the GPUs, and folded as if its models had run on them. */
  async function bench(onMeasured: (done: number) => void = () => {}): Promise<Result> {
    const startedNs = process.hrtime.bigint();
    const timer = setInterval(() => {
      const millijoules = (Number(process.hrtime.bigint() - startedNs) / 1e9) * 100e3;
      for (const index of [0, 1]) gpu.energy(index, shown(index, 1e6 + millijoules));
    }, 5);
    onTestFinished(() => clearInterval(timer));
    const keep = vi.spyOn(Journal.prototype, 'remove').mockImplementation(function (this: Journal) {
      this.close();
    });
    onTestFinished(() => keep.mockRestore());
    const out = join(mkdtempSync(join(directory, 'run-')), 'result.json');
    const measured = await runBench({
      ...{ suite, out, cacheDirectory, command: 'test', tool: { version: '0', commit: null } },
      ...{ device: 'cpu', ceilings: false, calibrateForNs: 3e8, energy: true },
      sensors: [
        { sensor: 'nvml', libraryPath: library },
        { sensor: 'nvml-state', libraryPath: library },
      ],
      onProgress: ({ phase, done }) => {
        if (phase === 'measuring') onMeasured(done);
      },
    });
    asItWas = measured.result;
    const contents = readJournal(journalPathOf(out));
    const models = contents.header.models.map((model) => ({
      ...model,
      engine: { ...model.engine, device: 'cuda' },
    }));
    const header = { ...contents.header, models };
    const entries = [...contents.entries].map((entry) => (entry.kind === 'header' ? header : entry));
    const { head, rows } = foldJournal({ ...contents, header, entries });
    const result = resultSchema.parse({ ...head, requests: [...rows()] });
    expect(result.run.complete).toBe(true);
    expect(result.requests.every(isOk)).toBe(true);
    for (const { conservation } of [result, asItWas]) {
      for (const { total, requests, idle, unattributed } of Object.values(conservation)) {
        expect(requests + idle + unattributed).toBe(total);
      }
    }
    return result;
  }

  const energies = (result: Result) => result.requests.map(({ work }) => work?.energy ?? null);
  const warned = (result: Result, code: string) => result.warnings.filter((warning) => warning.code === code);

  it('has the energy of the one of two GPUs that shows it, and names the other', async () => {
    gpu.power(0, 3, 0);
    const result = await bench();
    for (const joules of energies(result)) expect(joules).toBeGreaterThan(0);
    expect(result.metrics.energy!.method).toMatch(/^gpu-1 \(nvml counter\); not in it: .*gpu-0/);
    const [partial] = warned(result, 'energy-partial');
    expect(partial).toMatchObject({ hint: expect.stringContaining('NVIDIA Fake 0') });
  });

  it('gives no energy while a driver answers garbage, and says of how many requests', async () => {
    const result = await bench((done) => {
      if (done === 1) shown = (index, millijoules) => (index === 0 ? 2 ** 60 * Math.random() : millijoules);
    });
    expect(energies(result).at(-1)).toBeNull();
    expect(result.requests.at(-1)).toMatchObject({ absent: { energy: 'lost' } });
    // The first needs a reading after its end, which may be one of garbage already.
    const lost = energies(result).filter((joules) => joules === null).length;
    expect(warned(result, 'figures-lost')[0]!.message).toMatch(`${lost} of 3 requests have no energy`);
  });

  it('invents nothing where a counter goes backwards, and counts on after it', async () => {
    const result = await bench((done) => {
      if (done === 1) shown = (index, millijoules) => (index === 0 ? millijoules - 1e6 : millijoules);
    });
    expect(energies(result)).toContain(null);
    expect(energies(result).some((joules) => joules !== null)).toBe(true);
    expect(warned(result, 'figures-lost')).toHaveLength(1);
    const { total } = result.conservation['energy/gpu-0']!;
    expect(total).toBeLessThan((1.1 * 100 * result.run.durationNs) / 1e9);
  });

  it('ends the figures of a GPU that falls off the bus, and says so', async () => {
    const result = await bench((done) => {
      if (done === 1) gpu.lost(0, 15);
    });
    expect(result.requests.at(-1)).toMatchObject({ absent: { energy: 'lost', gpuTime: 'lost' } });
    const lost = warned(result, 'sensor-lost');
    expect(lost[0]!.message).toContain('gpu-0');
    expect(lost.every(({ hint }) => hint.includes('tokenwork doctor'))).toBe(true);
    expect(warned(result, 'figures-lost')).not.toEqual([]);
    // Where no model runs on them, what they use belongs to no request, and none has lost anything.
    expect(asItWas.run.complete).toBe(true);
    expect(asItWas.metrics.energy).toMatchObject({ provenance: 'unavailable' });
    expect(asItWas.conservation['energy/gpu-1']).toMatchObject({ requests: 0 });
    expect(warned(asItWas, 'sensor-lost')).toEqual(lost);
    expect(warned(asItWas, 'figures-lost')).toEqual([]);
  });

  it('says that neighbours are in its figures where a container hides who is on the GPU', async () => {
    for (const index of [0, 1]) gpu.processes(index, 2, 2 ** 30, 2 ** 30);
    const result = await bench();
    expect(warned(result, 'gpu-processes-hidden')).toMatchObject([
      { message: expect.stringContaining('gpu-0, gpu-1'), hint: expect.stringContaining('--pid=host') },
    ]);
    for (const joules of energies(result)) expect(joules).toBeGreaterThan(0);
  });

  it('has no energy or GPU time of a GPU that MIG splits, and says what to do', async () => {
    gpu.reset(1, 0);
    gpu.load(0, 0, 1);
    gpu.processes(0, 1, process.pid, 2 ** 30);
    const result = await bench();
    for (const metric of ['energy', 'gpuTime']) {
      expect(result.metrics[metric]).toMatchObject({
        ...{
          provenance: 'unavailable',
          reason: 'unsupported',
          hint: expect.stringContaining('split by MIG'),
        },
      });
    }
    expect(warned(result, 'gpu-split')).toMatchObject([{ hint: expect.stringContaining('-mig 0') }]);
    expect(Object.keys(result.conservation).filter((key) => key.includes('gpu'))).toEqual([]);
  });
});
