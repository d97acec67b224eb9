import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { appleSensor, parseAccelerators } from './apple.js';
import { fakeClock, openOrFail, record } from './sensor-probe.test-support.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-apple-'));
afterAll(() => rmSync(directory, { recursive: true }));

const m2 = `+-o AGXAcceleratorG14X  <class AGXAcceleratorG14X, id 0x1000003e4, registered, matched, active, busy 0, retain 88>
    {
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=1574862848,"Tiler Utilization %"=20,"Renderer Utilization %"=19,"Device Utilization %"=21,"In use system memory"=351141888}
      "model" = "Apple M2"
    }
`;
const intelPair = `+-o IntelAccelerator  <class IntelAccelerator, id 0x10000033b>
      "PerformanceStatistics" = {"Device Utilization %"=7,"In use system memory"=268435456}
+-o AMDRadeonX6000  <class AMDRadeonX6000, id 0x100000abc>
      "PerformanceStatistics" = {"GPU Activity(%)"=64,"Device Utilization %"=64}
`;

describe('parseAccelerators', () => {
  it('takes the memory in use, not the driver’s own beside it', () => {
    expect(parseAccelerators(m2)).toEqual([{ utilisation: 0.21, usedBytes: 351141888 }]);
  });

  it('keeps two GPUs apart and leaves out what one does not show', () => {
    expect(parseAccelerators(intelPair)).toEqual([
      { utilisation: 0.07, usedBytes: 268435456 },
      { utilisation: 0.64, usedBytes: null },
    ]);
  });

  it.each(['', 'garbage', '"PerformanceStatistics" = {'])('finds no GPU in %j', (text) => {
    expect(parseAccelerators(text)).toEqual([]);
  });
});

describe('appleSensor', () => {
  const command = (text: string) => {
    const file = join(directory, `${text.length}.txt`);
    writeFileSync(file, text);
    return [process.execPath, '-e', 'process.stdout.write(fs.readFileSync(process.argv[1]))', file];
  };

  it('says that energy is for root only, and reads the rest', async () => {
    const sensor = await openOrFail(appleSensor(command(m2)));
    expect(sensor.missing).toMatchObject([{ quantity: 'energy', reason: 'permission' }]);
    expect(record(sensor).latest).toEqual({});
    await expect
      .poll(() => record(sensor).latest, { timeout: 20_000 })
      .toEqual({ 'gpu-0 utilisation': 0.21, 'gpu-0 memoryUsed': 351141888 });
    sensor.close();
  });

  it('is unavailable where the registry shows no statistics', async () => {
    expect(await appleSensor(command('nothing')).open(fakeClock())).toMatchObject({
      reason: 'permission',
      hint: expect.stringContaining('sudo powermetrics'),
    });
  });
});
