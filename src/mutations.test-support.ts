/** How inputs are mutated in the tests that hand over hostile ones. Imported by tests only. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { messageOf, TokenworkError } from './core/errors.js';

export interface Mutation {
  /** Where, as a part of all places. */
  at: number;
  what: number;
  choice: number;
}

/**
 * Mostly one: of six, one that makes the input no such thing hides what the others do. `fc.double` would not do for
 * `at`, as it draws all floating-point numbers alike, most of which lie close to 0.
 */
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.noBias(fc.nat(2 ** 30 - 1)).map((part) => part / 2 ** 30),
  what: fc.nat(6),
  choice: fc.nat(1000),
});
const mutations: fc.Arbitrary<Mutation[]> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(mutation) },
  { weight: 1, arbitrary: fc.array(mutation, { minLength: 2, maxLength: 6, size: 'max' }) },
);

export interface Place {
  of: Record<string | number, unknown> | unknown[];
  key: string | number;
}

/** Every place in a value that holds one of its own, but for bytes. */
export function placesIn(root: unknown): Place[] {
  const places: Place[] = [];
  const open = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
    for (const key of Object.keys(value)) {
      places.push({ of: value as Record<string, unknown>, key });
      open.push((value as Record<string, unknown>)[key]);
    }
  }
  return places;
}

/** What is done with a mutated input; it may write to the file or folder `path`, which the trial before may have left. */
export type Trial = (list: readonly Mutation[], path: string) => unknown;

/** A kind of input, and how often it is tried as a rule and for long. */
export interface Kind {
  name: string;
  quick: number;
  long: number;
  trial: Trial;
}

/** How often `test:slow` tries a kind that is quick to try; CONTRIBUTING.md says when to try more. */
const longRuns = Number(process.env.TOKENWORK_FUZZ_RUNS ?? 2000);
if (!Number.isSafeInteger(longRuns) || longRuns < 1)
  throw new Error(`TOKENWORK_FUZZ_RUNS=${process.env.TOKENWORK_FUZZ_RUNS} is no number of runs`);

/** `npm test` tries 200, `test:slow` more; a kind that costs `cost` times as much is tried as much less often. */
export const kind = (name: string, trial: Trial, cost = 1): Kind => ({
  ...{ name, trial, quick: Math.round(200 / cost), long: Math.ceil(longRuns / cost) },
});

/** CPU time that one input may take at most, and memory that all of a kind may, in all threads of the process. */
const most = { cpuMs: 20_000, memoryBytes: 2 ** 30 };

/** Throws an error that names the first mutation of `runs` which does not end as read or in a TokenworkError, or costs too much. */
export async function tryMutations(trial: Trial, runs: number, seed: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-mutated-'));
  const peakBefore = peakBytes();
  try {
    await fc.assert(
      fc.asyncProperty(mutations, async (list) => {
        const since = process.cpuUsage();
        try {
          await trial(list, join(folder, 'mutated'));
        } catch (thrown) {
          if (!(thrown instanceof TokenworkError))
            throw new Error(`not of the project's own: ${messageOf(thrown)}`, { cause: thrown });
        }
        const { user, system } = process.cpuUsage(since);
        if ((user + system) / 1000 > most.cpuMs)
          throw new Error(`it took ${(user + system) / 1e6} s of CPU time`);
      }),
      { numRuns: runs, seed, endOnFailure: true },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  const grownBytes = peakBytes() - peakBefore;
  if (grownBytes > most.memoryBytes)
    throw new Error(`memory grew by ${Math.round(grownBytes / 2 ** 20)} MiB`);
}

const peakBytes = () => process.resourceUsage().maxRSS * 1024;
