import { describe, expect, it } from 'vitest';
import { isOk, type OkRequest, type Result } from '../core/result.js';
import { findLlama } from '../engines/llama/packages.js';
import { codesOf, ShortRuns } from './testing/short-runs.js';

const runs = new ShortRuns(
  { promptTokens: [40], completionTokens: [6], pipelines: ['plain-chat', 'agent'] },
  { sensors: 'none', device: 'cpu' },
);

const okOf = ({ requests }: Result): OkRequest[] => requests.filter(isOk);
const stageOf = ({ stages }: OkRequest, type: string) => stages.find((stage) => stage.type === type)!;

describe.skipIf(findLlama('cpu') === null)('a run of a recipe as GGUF', () => {
  it('has the accounts that it has in ONNX, save that a prefix in the cache is not copied', async () => {
    const gguf = await runs.bench({ engine: 'llama' });
    const onnx = await runs.bench({ engine: 'onnx' });
    expect(gguf.models[0]).toMatchObject({
      ...{ dtype: 'F32', graphVariant: 'gguf' },
      engine: { name: 'llama', device: 'cpu', threads: 1, sharedSession: true },
    });
    expect(codesOf(gguf)).not.toContain('ledger-mismatch');
    expect(okOf(gguf)).toHaveLength(gguf.requests.length);
    expect(gguf.models[0]!.parameters).toBe(onnx.models[0]!.parameters);
    for (const request of okOf(gguf)) {
      const other = okOf(onnx).find(({ cell, repetition }) => {
        return cell === request.cell && repetition === request.repetition;
      })!;
      expect(request.tokens).toEqual(other.tokens);
      expect(request.work.cpuTime).toBeGreaterThan(0);
      // A token after another is the same work, whichever engine does it; the cache is fp16 here and fp32 there.
      expect(stageOf(request, 'decode').work.flops).toBe(stageOf(other, 'decode').work.flops);
      expect(request.work.kvBytes).toBe(other.work.kvBytes! / 2);
    }
    const found = okOf(gguf).filter(({ tokens }) => (tokens?.cached ?? 0) > 0);
    expect(found.length).toBeGreaterThan(0);
    for (const request of found) expect(stageOf(request, 'cache').work.memoryTraffic).toBe(0);
  });
});
