import { expect, it, vi } from 'vitest';
import { prepareRun } from './prepare.js';

vi.mock('../gpu/choice.js', () => ({
  chooseDevice: async () => ({
    ...{ device: 'cpu', engine: 'onnx', reason: 'there is no GPU in sight' },
    ...{ adapter: null, freeBytes: null, warnings: [] },
  }),
}));

const options = {
  suite: 'gpu',
  cacheDirectory: '/none',
  command: 'test',
  tool: { version: '0', commit: null },
};

it('A suite for a GPU runs on the CPU only as that is asked for by name', async () => {
  const refusal = { code: 'gpu-needed', exitCode: 2, hint: expect.stringContaining('--device cpu') };
  await expect(prepareRun(options)).rejects.toMatchObject(refusal);
  await expect(prepareRun({ ...options, device: 'auto' })).rejects.toMatchObject(refusal);
  // Gone on from there to its models, which nobody has agreed to build.
  await expect(prepareRun({ ...options, device: 'cpu' })).rejects.toMatchObject({
    code: expect.stringMatching(/build-unconfirmed|disk-too-small/),
  });
});
