import { describe, expect, it } from 'vitest';
import { findLlama } from '../packages.js';
import { measureLlamaCeilings } from './ceilings.js';

describe.skipIf(findLlama('cpu') === null)('measureLlamaCeilings', () => {
  it('gives figures with their method, of the types that can be multiplied by', async () => {
    const types = ['Q4_0', 'F16', 'Q6_K', 'IQ1_S', 'Q8_1', 'I8', 'unheard of'];
    const { memoryBandwidth, gemm } = await measureLlamaCeilings({
      ...{ device: 'cpu', threads: 1, types },
      freeBytes: null,
    });
    expect(Object.keys(gemm)).toEqual(['Q4_0', 'F16', 'Q6_K', 'IQ1_S']);
    for (const [type, { value, method }] of Object.entries(gemm)) {
      expect(value).toBeGreaterThan(1e8);
      expect(value).toBeLessThan(1e16);
      expect(method).toContain(`${type} weights in ggml`);
    }
    if (memoryBandwidth !== null) expect(memoryBandwidth.value).toBeGreaterThan(1e8);
  });

  it('has no figures where the device does not open', async () => {
    const none = { memoryBandwidth: null, gemm: {} };
    const task = { device: 'metal', threads: 1, types: ['F16'], freeBytes: null } as const;
    if (findLlama('metal') === null) expect(await measureLlamaCeilings(task)).toEqual(none);
  });
});
