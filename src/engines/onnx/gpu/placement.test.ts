import { describe, expect, it } from 'vitest';
import { placementOf, placementWarnings } from './placement.js';

const ran = (name: string, op: string, provider: string) => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  args: { op_name: op, provider },
});
const [gpu, cpu] = ['WebGpuExecutionProvider', 'CPUExecutionProvider'];

describe('where nodes ran', () => {
  it('is read from a profile, each node once however often it ran', () => {
    const profile = [
      { cat: 'Session', name: 'model_run', args: {} },
      ran('/a', 'MatMul', gpu),
      ran('/a', 'MatMul', gpu),
      ran('/b', 'MatMul', gpu),
      ran('/mask', 'Cast', cpu),
      ran('/shape', 'Shape', cpu),
      ran('/shape2', 'Shape', cpu),
      { cat: 'Node', name: '/a_fence_before', args: { op_name: 'MatMul' } },
    ];
    expect(placementOf(profile)).toEqual({ device: 2, cpu: 3, cpuOps: { Cast: 1, Shape: 2 } });
  });

  it('warns of matrix products on the CPU, and of nothing else there', () => {
    expect(placementWarnings('m', { device: 9, cpu: 2, cpuOps: { Cast: 1, Shape: 1 } })).toEqual([]);
    const [warning, ...others] = placementWarnings('m', {
      device: 9,
      cpu: 7,
      cpuOps: { Attention: 4, Cast: 1, QMoE: 2 },
    });
    expect(others).toEqual([]);
    expect(warning).toMatchObject({
      code: 'cpu-fallback',
      message: expect.stringMatching(/4 Attention, 2 QMoE\.$/),
    });
  });
});
