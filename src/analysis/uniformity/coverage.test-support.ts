/** Misbilled shares found in simulated runs. Imported by tests only. */
import { findingsOf } from '../findings.js';
import {
  factorial,
  type SimulatedCell,
  type Simulation,
  simulateResult,
} from '../simulated-result.test-support.js';
import type { Statistic } from '../statistic.js';

export const grid = (rateOf: (index: number) => number) =>
  factorial([16, 64, 256, 512, 1024], [16, 64, 128, 256], (_prompt, _completion, index) => rateOf(index));

/** The misbilled shares found in `draws` runs, each with noise (and cells) of its own. */
export function misbilledShares(
  draws: number,
  cells: readonly SimulatedCell[] | ((draw: number) => readonly SimulatedCell[]),
  simulation: Omit<Simulation, 'seed'>,
  options: Parameters<typeof findingsOf>[1] = {},
): Statistic[] {
  return Array.from({ length: draws }, (_, draw) => {
    const drawn = typeof cells === 'function' ? cells(draw) : cells;
    const result = simulateResult(drawn, { seed: draw + 1, ...simulation });
    return findingsOf(result, { resamples: 200, ...options }).uniformity.cpuTime!.misbilledShare;
  });
}

export const shareOf = (statistics: Statistic[], condition: (statistic: Statistic) => boolean) =>
  statistics.filter(condition).length / statistics.length;
export const covering = (truth: number) => (statistic: Statistic) =>
  statistic.low! <= truth && truth <= statistic.high!;
export const indistinct = ({ verdict }: Statistic) => verdict === 'not distinguishable';
