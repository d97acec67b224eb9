import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Warning } from '../../../core/codes.js';
import type { Placement } from '../../../core/records/model.js';

/** Ops that a decoder's work is made of; on the CPU, the run would measure another machine. */
const matrixOps = new Set([
  'MatMul',
  'Gemm',
  'FusedMatMul',
  'FusedGemm',
  'MatMulInteger',
  'MatMulIntegerToFloat',
  'DynamicQuantizeMatMul',
  'QLinearMatMul',
  'MatMulNBits',
  'MatMulBnb4',
  'Attention',
  'MultiHeadAttention',
  'GroupQueryAttention',
  'PagedAttention',
  'MoE',
  'QMoE',
  'Einsum',
  'Conv',
]);
const cpuProvider = 'CPUExecutionProvider';

const eventsSchema = z.array(
  z.looseObject({
    cat: z.string().optional(),
    name: z.string().optional(),
    args: z.looseObject({ op_name: z.string().optional(), provider: z.string().optional() }).optional(),
  }),
);

/** Reads where each node ran from the profile of a session's runs (a JSON trace). */
export function readPlacement(profilePath: string): Placement {
  return placementOf(JSON.parse(readFileSync(profilePath, 'utf8')));
}

/** Reads the placement of a parsed profile. Each node counts once, however often it ran. */
export function placementOf(profile: unknown): Placement {
  const nodes = new Map<string, { op: string; provider: string }>();
  for (const { cat, name, args } of eventsSchema.parse(profile)) {
    if (cat !== 'Node' || !name?.endsWith('_kernel_time') || !args?.op_name || !args.provider) continue;
    nodes.set(name, { op: args.op_name, provider: args.provider });
  }
  const onCpu = new Map<string, number>();
  let device = 0;
  for (const { op, provider } of nodes.values()) {
    if (provider === cpuProvider) onCpu.set(op, (onCpu.get(op) ?? 0) + 1);
    else device++;
  }
  return { device, cpu: nodes.size - device, cpuOps: Object.fromEntries([...onCpu].sort()) };
}

/** The matrix ops that ran on the CPU, and how many of each. */
export function matrixOpsOnCpu({ cpuOps }: Placement): [op: string, count: number][] {
  return Object.entries(cpuOps).filter(([op]) => matrixOps.has(op));
}

/** A warning where matrix ops ran on the CPU; none where only shapes and masks did. */
export function placementWarnings(model: string, placement: Placement): Warning[] {
  const { device } = placement;
  const fallen = matrixOpsOnCpu(placement);
  if (fallen.length === 0) return [];
  const list = fallen.map(([op, count]) => `${count} ${op}`).join(', ');
  return [
    {
      code: 'cpu-fallback',
      message: `${model}: the GPU ran ${device} nodes, but not these, which the CPU ran: ${list}.`,
      hint: 'Times and work are those of both together. Use another dtype or graph variant, or an export for this device.',
    },
  ];
}
