import type { Bytes, Nanoseconds } from '../../core/units.js';
import { type MeasuredRun, measuredRun, ownTimeOf } from '../../journal/measured-run.js';
import type { RepeatedRequest, UnfinishedRequest } from '../../stages/run-request.js';

/** A counter that stands still must not keep a run from going on: so many times as long as it should take. */
const stallTimeout = 4;

/**
 * Giving memory back can take a tenth of a request of a few ms where the kernel is slow at it, as in virtual
 * machines. So it is done after the last run, or where so much has come together.
 */
const mostHeldBytes: Bytes = 256 * 2 ** 20;

interface Repeating {
  /** Time that all runs should take together, this one among them. */
  windowNs: Nanoseconds;
  first: MeasuredRun;
  /** A GPU's memory may have been meant to hold a single run, and is given back after each. */
  onGpu: boolean;
  control: { stopRequested(): boolean; countersMoved(): boolean; onRun(): void };
  /** Runs the request once more. */
  again(): Promise<RepeatedRequest | UnfinishedRequest>;
}

/**
 * Repeats a request until its runs fill a window and the counters have moved enough, with as little between
 * two runs as can be: in a short request little else tells it from what lies beside it. Returns the runs after
 * the first; one that fails ends the repeating. Throws what `again` throws.
 */
export async function repeatRuns(repeating: Repeating): Promise<MeasuredRun[]> {
  const { windowNs, first, onGpu, control, again } = repeating;
  const runs: MeasuredRun[] = [];
  let ownNs = ownTimeOf([first]);
  let held: RepeatedRequest[] = [];
  let heldBytes: Bytes = 0;
  const clear = () => {
    for (const { close } of held) close();
    held = [];
    heldBytes = 0;
  };
  const isEnough = () => ownNs >= windowNs && (control.countersMoved() || ownNs >= stallTimeout * windowNs);
  try {
    while (!control.stopRequested() && !isEnough()) {
      const outcome = await again();
      control.onRun();
      if (outcome.status === 'failed') break;
      const run = measuredRun(outcome);
      runs.push(run);
      ownNs += ownTimeOf([run]);
      held.push(outcome);
      heldBytes += outcome.heldBytes;
      if (onGpu || heldBytes > mostHeldBytes) clear();
    }
  } finally {
    clear();
  }
  return runs;
}
