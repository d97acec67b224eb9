import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { measuredRun } from '../../journal/measured-run.js';
import { Ledger } from '../../stages/ledger.js';
import type { RequestInput } from '../../stages/request.js';
import { Resources } from '../../stages/resources.js';
import { repeatRequest, runRequest } from '../../stages/run-request.js';
import { costPerPosition, fakeDecoder } from '../../stages/testing/fake-decoder.js';
import { plainRequest } from '../../stages/testing/plain-request.js';
import { repeatRuns } from './repeat.js';

const input: RequestInput = { ...plainRequest, completionTokens: 2 };
const ms = 1e6;

interface Options {
  /** How long a run takes, on a clock that a decoder's step alone moves. */
  runMs: number;
  windowMs: number;
  onGpu?: boolean;
  failsAt?: number;
  bytesPerPosition?: number;
  countersMoved?: () => boolean;
}

/** Runs a request on a fake decoder until its window is full; `open`: sequences held when each run began. */
async function repeat(options: Options) {
  const { runMs, windowMs, onGpu = false, failsAt, bytesPerPosition, countersMoved = () => true } = options;
  let nowNs = 0;
  const stepsOf = 2;
  const decoder = fakeDecoder({
    ...(bytesPerPosition !== undefined && { bytesPerPosition }),
    during: (step) => {
      if (failsAt !== undefined && step >= failsAt * stepsOf) throw new Error('it broke');
      nowNs += (runMs * ms) / stepsOf;
    },
  });
  const cost = { cost: costPerPosition, costOfAllLogits: costPerPosition };
  const chat = { id: 'm', decoder, ...cost, eosTokenIds: [], tokenizer: null };
  const instruments = { clock: { now: () => nowNs }, cpuTime: () => nowNs / 2 };
  const control = { stopRequested: () => false, onStep() {}, countersMoved, onRun: vi.fn() };
  const resources = new Resources();
  const once = await runRequest(input, chat, instruments, control, resources);
  if (once.status === 'failed') throw new Error(once.message);
  const first = measuredRun(once);
  const accounts = vi.spyOn(Ledger.prototype, 'accounts');
  onTestFinished(() => accounts.mockRestore());
  const open: number[] = [];
  const again = () => {
    open.push(decoder.openSequences);
    return repeatRequest(input, chat, instruments, control, resources);
  };
  const runs = await repeatRuns({ windowNs: windowMs * ms, first, onGpu, control, again });
  return { first, runs, open, decoder, accounts, control };
}

describe('a request that is repeated inside one window', () => {
  it('is run until its runs fill the window, each as the first', async () => {
    const { first, runs, control } = await repeat({ runMs: 4, windowMs: 40 });
    expect(runs).toHaveLength(9);
    expect(control.onRun).toHaveBeenCalledTimes(9);
    for (const [index, run] of runs.entries()) {
      const laterNs = (index + 1) * 4 * ms;
      expect(run).toEqual({
        startedNs: first.startedNs + laterNs,
        endsNs: first.endsNs.map((end) => end + laterNs),
        cpuNs: first.cpuNs,
      });
    }
  });

  it('has no accounts drawn up and no memory given back between runs, but after them', async () => {
    const { runs, open, decoder, accounts } = await repeat({ runMs: 2, windowMs: 200 });
    expect(open).toEqual(Array.from({ length: 99 }, (_, before) => before));
    expect(runs).toHaveLength(99);
    expect(accounts).not.toHaveBeenCalled();
    expect(decoder.openSequences).toBe(0);
  });

  it('holds the memory of one run at a time on a GPU, and elsewhere so much at most', async () => {
    const alone = await repeat({ runMs: 2, windowMs: 20, onGpu: true });
    expect(alone.open).toEqual(new Array(9).fill(0));
    // Four positions each, of 16 MiB.
    const large = await repeat({ runMs: 2, windowMs: 20, bytesPerPosition: 2 ** 24 });
    expect(large.open).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3]);
  });

  it('goes on where counters have not moved, but not for ever', async () => {
    let looks = 0;
    const { runs } = await repeat({ runMs: 10, windowMs: 100, countersMoved: () => ++looks > 5 });
    expect(runs).toHaveLength(14);
    const still = await repeat({ runMs: 10, windowMs: 100, countersMoved: () => false });
    expect(still.runs).toHaveLength(39);
  });

  it('keeps the runs before one that fails, and no memory', async () => {
    const { runs, decoder } = await repeat({ runMs: 4, windowMs: 40, failsAt: 4 });
    expect(runs).toHaveLength(3);
    expect(decoder.openSequences).toBe(0);
  });
});
