import { describe, expect, it } from 'vitest';
import { hardwareSchema } from '../../core/result.js';
import { dtypes } from '../../models/dtype.js';
import { measureCeilings } from './ceilings.js';

describe('measureCeilings', () => {
  it('gives figures with their method, in the shape of the result', async () => {
    const ceilings = await measureCeilings({ threads: 1, dtypes });
    expect(hardwareSchema.shape.ceilings.parse(ceilings)).toEqual(ceilings);
    expect(ceilings.threads).toBe(1);
    for (const dtype of ['fp32', 'int8', 'q4'])
      expect(ceilings.gemm[dtype]!.method).toContain(`${dtype} weights`);
    if (ceilings.memoryBandwidth) expect(ceilings.memoryBandwidth.method).toMatch(/GiB fp32 in ONNX Runtime/);
  });

  it('measures no product it was not asked for', async () => {
    const { gemm } = await measureCeilings({ threads: 1, dtypes: [] });
    expect(gemm).toEqual({});
  });
});
