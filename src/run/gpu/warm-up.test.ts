import { describe, expect, it } from 'vitest';
import type { PlannedCell } from '../../workload/plan.js';
import type { WorkerSlot } from '../workers/slot.js';
import { warmUpDevice } from './warm-up.js';

const cell = (id: string, tokens: number, completionTokens: number, batch = 1) =>
  ({
    id,
    model: 'm',
    request: { prompt: { kind: 'synthetic', tokens, seed: 1 }, completionTokens, batch },
  }) as PlannedCell;
const cells = [cell('a', 8, 2), cell('b', 8, 64), cell('c', 8, 64, 4), cell('d', 512, 64)];

/** Requests take by turns what `durations` says, the last one for ever; `fails` from which on. */
async function warm(durations: number[], fails = Number.POSITIVE_INFINITY) {
  let clockNs = 0;
  const seen: string[] = [];
  const run: WorkerSlot['run'] = async (_model, { prompt, batch, completionTokens }) => {
    clockNs += durations[Math.min(seen.length, durations.length - 1)]! * 1e9;
    seen.push(`${'tokens' in prompt ? prompt.tokens : ''}/${batch}/${completionTokens}`);
    const status = seen.length > fails ? 'failed' : 'ok';
    return {
      runs: [],
      preparations: [],
      row: { outcome: { status, code: '', message: '' }, tokens: null, times: null } as never,
    };
  };
  const warmedUp = await warmUpDevice({
    pool: { slots: [{ index: 0, run } as WorkerSlot], stop() {} },
    cells,
    limitsOf: () => ({ deadlineMs: 1, stallTimeoutMs: 1 }),
    now: () => clockNs,
    signal: undefined,
  });
  return { ...warmedUp, seen };
}

describe('warming up a GPU', () => {
  it('runs every shape until a pass takes as long as the one before', async () => {
    // Three shapes; compiling takes 9 s, 6 s and 3 s, and then every request 1 s.
    const { seen, requests, coldStart } = await warm([10, 7, 4, 1]);
    expect(seen.slice(0, 3)).toEqual(['8/1/2', '8/4/4', '512/1/4']);
    expect(requests).toBe(9);
    expect(coldStart).toEqual({ shadersNs: 18e9, passes: 3, settled: true });
  });

  it('ends where times do not settle', async () => {
    const { coldStart } = await warm(Array.from({ length: 60 }, (_, i) => 1 + (Math.floor(i / 3) % 2)));
    expect(coldStart).toMatchObject({ settled: false, passes: 6 });
  });

  it('begins no pass after two minutes', async () => {
    expect((await warm([100])).coldStart).toMatchObject({ settled: false, passes: 1 });
  });

  it('goes on to the requests that say why, where one fails', async () => {
    expect(await warm([1], 1)).toMatchObject({ requests: 3, coldStart: { settled: false } });
  });
});
