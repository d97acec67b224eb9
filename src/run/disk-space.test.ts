import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveModel } from '../models/resolve.js';
import { refuseFullDisk } from './disk-space.js';
import type { BenchProgress } from './options.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-disk-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const suite = [
  { spec: 'llama-3-8b', dtype: 'fp16' as const },
  { spec: 'qwen2.5-7b', dtype: 'fp16' as const },
];

describe('the disk of the model cache', () => {
  it('must have room for all models that are to be built, before any is', async () => {
    // 2 × (8,030,261,248 + 7,615,616,512) bytes, the published numbers of parameters.
    const needed = 2 * (8_030_261_248 + 7_615_616_512);
    const options = { cacheDirectory: join(scratch, 'not', 'there') };
    await expect(refuseFullDisk(suite, options, async () => needed)).resolves.toBeUndefined();
    await expect(refuseFullDisk(suite, options, async () => needed - 1)).rejects.toMatchObject({
      code: 'disk-too-small',
      exitCode: 2,
      message: expect.stringMatching(/llama-3-8b \(fp16\), qwen2\.5-7b \(fp16\) takes 29\.1 GiB/),
      hint: expect.stringContaining('TOKENWORK_CACHE'),
    });
    await expect(refuseFullDisk(suite, options, async () => null)).resolves.toBeUndefined();
  });

  it('is told of when gigabytes are to be built', async () => {
    const told: string[] = [];
    const onProgress = ({ note }: BenchProgress) => told.push(note ?? '');
    await refuseFullDisk(suite, { cacheDirectory: scratch, onProgress }, async () => 1e12);
    expect(told).toEqual([
      `To be built first, and kept in ${scratch}: llama-3-8b (fp16), qwen2.5-7b (fp16), 29.1 GiB in all.`,
    ]);
  });

  it('is read where it really is, and needs nothing for what is built already', async () => {
    const tiny = [{ spec: 'tiny', dtype: 'fp32' as const }];
    await expect(refuseFullDisk(tiny, { cacheDirectory: join(scratch, 'new') })).resolves.toBeUndefined();
    await expect(refuseFullDisk(tiny, { cacheDirectory: scratch }, async () => 0)).rejects.toMatchObject({
      code: 'disk-too-small',
    });
    await resolveModel('tiny', { dtype: 'fp32', cacheDirectory: scratch });
    await expect(refuseFullDisk(tiny, { cacheDirectory: scratch }, async () => 0)).resolves.toBeUndefined();
  });
});
