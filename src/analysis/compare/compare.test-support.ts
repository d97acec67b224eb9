/** Comparisons of simulated runs. Imported by tests only. */
import type { Result } from '../../core/result.js';
import { factorial, type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { type CompareOptions, type Comparison, compareResults } from './compare.js';

export const cells = factorial([16, 64, 256, 512, 1024], [16, 64, 128, 256], () => 1);
export const run = (
  seed: number,
  repetitions = 10,
  planted: readonly SimulatedCell[] = cells,
  noise = 0.02,
) => simulateResult(planted, { seed, repetitions, noise });
export const slowed = (factor: number, which: (index: number) => boolean = () => true) =>
  cells.map((cell, index) => ({ ...cell, rate: which(index) ? factor : 1 }));
export const compare = (baseline: Result, candidate: Result, options?: CompareOptions): Comparison =>
  compareResults(baseline, [candidate], options)[0]!;
export const cpuRows = ({ cells: rows }: Comparison) => rows.filter(({ metric }) => metric === 'cpuTime');
export const changed = (comparison: Comparison) =>
  cpuRows(comparison).filter(({ verdict }) => verdict === 'slower' || verdict === 'faster');
