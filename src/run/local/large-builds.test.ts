import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveModel } from '../../models/resolve.js';
import type { BenchProgress } from '../options.js';
import { agreeToBuild, refuseUnexpectedBuilds } from './large-builds.js';

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
    const options = { cacheDirectory: join(scratch, 'not', 'there'), yes: true };
    await expect(refuseUnexpectedBuilds(suite, 'onnx', options, async () => needed)).resolves.toBeUndefined();
    await expect(
      refuseUnexpectedBuilds(suite, 'onnx', options, async () => needed - 1),
    ).rejects.toMatchObject({
      code: 'disk-too-small',
      exitCode: 2,
      message: expect.stringMatching(/llama-3-8b \(fp16\), qwen2\.5-7b \(fp16\) takes 29\.1 GiB/),
      hint: expect.stringContaining('TOKENWORK_CACHE'),
    });
    await expect(refuseUnexpectedBuilds(suite, 'onnx', options, async () => null)).resolves.toBeUndefined();
  });

  it('is told of when gigabytes are to be built', async () => {
    const told: string[] = [];
    const onProgress = ({ note }: BenchProgress) => told.push(note ?? '');
    await refuseUnexpectedBuilds(
      suite,
      'onnx',
      { cacheDirectory: scratch, onProgress, yes: true },
      async () => 1e12,
    );
    expect(told).toEqual([
      `To be built first, and kept in ${scratch}: llama-3-8b (fp16), qwen2.5-7b (fp16), 29.1 GiB in all.`,
    ]);
  });

  it('is read where it really is, and needs nothing for what is built already', async () => {
    const tiny = [{ spec: 'tiny', dtype: 'fp32' as const }];
    await expect(
      refuseUnexpectedBuilds(tiny, 'onnx', { cacheDirectory: join(scratch, 'new') }),
    ).resolves.toBeUndefined();
    await expect(
      refuseUnexpectedBuilds(tiny, 'onnx', { cacheDirectory: scratch }, async () => 0),
    ).rejects.toMatchObject({
      code: 'disk-too-small',
    });
    await resolveModel('tiny', { dtype: 'fp32', cacheDirectory: scratch });
    await expect(
      refuseUnexpectedBuilds(tiny, 'onnx', { cacheDirectory: scratch }, async () => 0),
    ).resolves.toBeUndefined();
  });
});

describe('models of more than 2 GiB', () => {
  const build = { names: 'llama-3-8b (fp16)', bytes: 15 * 2 ** 30, directory: '/cache' };

  it('are built by nobody who has not agreed, and asked about with size and place', async () => {
    await expect(agreeToBuild(build, {})).rejects.toMatchObject({
      code: 'build-unconfirmed',
      exitCode: 2,
      message: expect.stringMatching(/llama-3-8b \(fp16\) .*15\.0 GiB in \/cache/),
      hint: expect.stringContaining('--yes'),
    });
    const asked: string[] = [];
    const answering = (yes: boolean) => async (question: string) => asked.push(question) > 0 && yes;
    await expect(agreeToBuild(build, { confirm: answering(false) })).rejects.toThrow('nothing was written');
    await expect(agreeToBuild(build, { confirm: answering(true) })).resolves.toBeUndefined();
    expect(asked).toEqual(Array(2).fill('Build llama-3-8b (fp16), 15.0 GiB, into /cache?'));
    await expect(agreeToBuild(build, { yes: true })).resolves.toBeUndefined();
    await expect(agreeToBuild({ ...build, bytes: 2 * 2 ** 30 }, {})).resolves.toBeUndefined();
  });

  it('are found before anything is built', async () => {
    const cache = join(scratch, 'none');
    const refusal = refuseUnexpectedBuilds(suite, 'llama', { cacheDirectory: cache }, async () => 1e12);
    await expect(refusal).rejects.toMatchObject({ code: 'build-unconfirmed' });
    expect(existsSync(cache)).toBe(false);
  });
});
