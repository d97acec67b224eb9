import { describe, expect, it } from 'vitest';
import type { Stage } from '../../core/result.js';
import { plainChat, type StageDraw, stagePolicySchema } from '../../stages/pipeline.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { WorkerSlot } from '../workers/slot.js';
import { warmUp } from './warm-up.js';

const cell = (id: string, stages?: readonly object[], drawn: Record<string, StageDraw> = {}) =>
  ({
    id,
    model: 'm',
    request: {
      prompt: { kind: 'synthetic', tokens: 8, seed: 1 },
      completionTokens: id.length,
      batch: 1,
      ...(stages && {
        pipeline: {
          ...plainChat,
          name: 'own',
          stages: stages.map((stage) => stagePolicySchema.parse(stage)),
          models: { classifier: 'guard', draft: 'small' },
          drawn,
        },
      }),
    },
  }) as PlannedCell;

const guard = { type: 'safety', name: 'guard', on: 'prompt', classifier: 'classifier' };
const stage = (name: string, type: Stage['type'], model?: string): Partial<Stage> => ({
  name,
  ...(type && { type }),
  ...(model !== undefined && { model }),
  times: { started: 0, ended: 10 },
});

/** Which requests ran, by the length of their completions, and what came of it. */
async function warm(cells: PlannedCell[], stages: Partial<Stage>[] = [], slots = 1) {
  const seen: number[] = [];
  const run: WorkerSlot['run'] = async (_model, { completionTokens }) => {
    seen.push(completionTokens);
    return { runs: [], preparations: [], row: { outcome: { status: 'ok' }, stages } as never };
  };
  const done = await warmUp({
    pool: { slots: Array.from({ length: slots }, (_, index) => ({ index, run }) as WorkerSlot), stop() {} },
    cells,
    requestsPerWorker: 2,
    limitsOf: () => ({ deadlineMs: null, stallTimeoutMs: 1 }),
    expectedNs: ({ request }) => request.completionTokens,
    signal: undefined,
  });
  return { ...done, seen };
}

describe('warming up', () => {
  it('runs a middling request of a kind, on every worker', async () => {
    const { requests, seen, alongside } = await warm([cell('a'), cell('aaaaa'), cell('aaa')], [], 2);
    expect(requests).toBe(4);
    expect(new Set(seen)).toEqual(new Set([3]));
    expect(alongside).toEqual({});
  });

  it('runs every kind of work that a pipeline’s policies and chance make', async () => {
    const decode = { type: 'decode', draft: 'draft' };
    const { seen } = await warm([
      cell('1'.repeat(1), [guard, decode]),
      cell('1'.repeat(2), [guard, decode], { guard: { flagged: true } }),
      cell('1'.repeat(3), [guard, { ...decode, speculation: 'draft' }]),
      cell('1'.repeat(4), [guard, decode, { type: 'prefill', cache: 'warm' }]),
      // The same as the first, but for lengths.
      cell('1'.repeat(9), [guard, decode], { reasoning: { tokens: 7 } }),
    ]);
    expect(seen).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
  });

  it('counts the requests in which other models ran, and how long their stages took', async () => {
    const speculative = cell('a', [
      guard,
      { type: 'decode', name: 'draft and verify', speculation: 'draft', draft: 'draft' },
    ]);
    const { alongside } = await warm(
      [speculative],
      [
        stage('guard', 'safety', 'guard'),
        stage('prefill', 'prefill'),
        stage('draft and verify', 'speculation'),
      ],
    );
    expect(alongside).toEqual({
      guard: { requests: 2, durationNs: 20 },
      small: { requests: 2, durationNs: 20 },
    });
  });
});
