import { setTimeout as delay } from 'node:timers/promises';
import type { Nanoseconds } from '../../core/units.js';
import type { Journal } from '../../journal/append.js';
import type { MeasuredRun } from '../../journal/measured-run.js';
import type { ValidationState } from '../../journal/state.js';
import type { PlannedCell } from '../../workload/plan.js';
import { cellsAlone, pairsOf, runsPerCell } from './alone.js';
import { apart, type Sender } from './send.js';
import type { ServerClocks } from './server-clock.js';

/** Between two of them, so that a counter that is read every few hundredths of a second tells them apart. */
const pauseMs = 250;

interface Validation {
  cells: readonly PlannedCell[];
  send: Sender;
  /** Of the servers' processes; null where only what is sampled tells. */
  clocks: ServerClocks | null;
  journal: Journal;
  done: ValidationState['runs'];
  now(): Nanoseconds;
  signal: AbortSignal | undefined;
}

/**
 * Sends the cells' requests with nothing beside them, and then pairs of them at once, for what they use then: what
 * sharing a counter among many is held against. A request that fails is left out.
 */
export async function validateAlone({
  cells,
  send,
  clocks,
  journal,
  done,
  now,
  signal,
}: Validation): Promise<void> {
  journal.append({ kind: 'validation', state: 'begun' });
  let number = apart.alone;
  const together = async (of: readonly PlannedCell[]): Promise<MeasuredRun | null> => {
    await delay(pauseMs);
    const server = of[0]!.model;
    const before = (await clocks?.read(server)) ?? null;
    const startedNs = now();
    const generations = await Promise.all(of.map((cell) => send({ cell, number: number++ }, signal)));
    const endsNs = [now()];
    const after = (await clocks?.read(server)) ?? null;
    const isWhole = generations.every(({ outcome }) => outcome.status === 'ok');
    return isWhole
      ? { startedNs, endsNs, cpuNs: [before === null || after === null ? null : after - before] }
      : null;
  };
  const chosen = cellsAlone(cells);
  for (let round = 0; round < runsPerCell; round++) {
    for (const cell of chosen) {
      if (signal?.aborted) return journal.append({ kind: 'validation', state: 'stopped' });
      if ((done.get(cell.id) ?? 0) > round) continue;
      const run = await together([cell]);
      if (run) journal.append({ kind: 'alone', cell: cell.id, runs: [run] });
    }
  }
  for (const pair of pairsOf(chosen)) {
    if (signal?.aborted) return journal.append({ kind: 'validation', state: 'stopped' });
    const run = await together(pair);
    if (run) journal.append({ kind: 'pair', cells: pair.map(({ id }) => id), run });
  }
  await delay(pauseMs);
  journal.append({ kind: 'validation', state: signal?.aborted ? 'stopped' : 'done' });
}
