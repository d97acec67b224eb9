/** How often the intervals of simulated runs hold the truth. Imported by tests only. */
import { createRandom } from '../stats/random.js';
import { type Findings, findingsOf } from './findings.js';
import { type SimulatedCell, type Simulation, simulateResult } from './simulated-result.test-support.js';

interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
}

/** Every interval that a run's findings print of CPU time, by name; one per cell for those of cells. */
function printedIntervals(findings: Findings): Record<string, Record<string, Estimate>> {
  const of = findings.uniformity.cpuTime!;
  const single = (estimate: Estimate) => ({ '': estimate });
  const effective = findings.effectiveTokens!.cpuTime!.map(({ cell, effective: value, low, high }) => [
    cell,
    { value, low, high },
  ]);
  const pays = of.worstCells.map(({ cell, paysTimesItsCost: value, low, high }) => [
    cell,
    { value, low, high },
  ]);
  return {
    misbilledShare: single(of.misbilledShare),
    gini: single(of.gini),
    theil: single(of.theil),
    cv: single(of.workPerToken.cv),
    p95OverP5: single(of.workPerToken.p95OverP5),
    maxOverMedian: single(of.workPerToken.maxOverMedian),
    rSquaredOneRate: single(of.rSquared.oneRate),
    rSquaredInputOutput: single(of.rSquared.inputOutput),
    rSquaredInputOutputFee: single(of.rSquared.inputOutputFee),
    elasticity: single(of.elasticity),
    plainToken: single(findings.plainToken.cpuTime!),
    effectiveTokens: Object.fromEntries(effective),
    paysTimesItsCost: Object.fromEntries(pays),
  };
}

export interface Coverage {
  /** Share of intervals that hold the truth. */
  covered: number;
  intervals: number;
}

/**
 * The share of intervals that hold the truth over `runs` of noise. The truth is what findings say of a run
 * without noise in which every cell costs what its noisy one costs on average, rate · exp(σ²/2).
 */
export function coverageOf(
  cells: readonly SimulatedCell[],
  simulation: Omit<Simulation, 'seed'>,
  { runs, resamples = 400 }: { runs: number; resamples?: number },
): Record<string, Coverage> {
  const average = cells.map((cell) => ({
    ...cell,
    rate: cell.rate * Math.exp((cell.noise ?? simulation.noise) ** 2 / 2),
    noise: 0,
  }));
  const truth = printedIntervals(
    findingsOf(simulateResult(average, { seed: 1, repetitions: simulation.repetitions, noise: 0 }), {
      design: 'fixed',
      resamples: 2,
    }),
  );
  // Which cells are listed as the worst is the run's; what they truly pay, the design's.
  const worked = average.map(
    ({ promptTokens: p, completionTokens: q, rate }) => [p + q, (p + q) * rate] as const,
  );
  const price =
    worked.reduce((sum, [, work]) => sum + work, 0) / worked.reduce((sum, [tokens]) => sum + tokens, 0);
  truth.paysTimesItsCost = Object.fromEntries(
    average.map(({ rate }, c) => [`cell-${c}`, { value: price / rate, low: null, high: null }]),
  );
  const seeds = createRandom(20);
  const counts: Record<string, { held: number; intervals: number }> = {};
  for (let run = 0; run < runs; run++) {
    const result = simulateResult(cells, { ...simulation, seed: 1 + seeds.below(2 ** 31) });
    const found = printedIntervals(findingsOf(result, { design: 'fixed', resamples, seed: run + 1 }));
    for (const [name, estimates] of Object.entries(found)) {
      counts[name] ??= { held: 0, intervals: 0 };
      for (const [cell, { value, low, high }] of Object.entries(estimates)) {
        const expected = truth[name]![cell]?.value;
        if (value === null || low === null || high === null || expected == null) continue;
        // Effective tokens of the reference cell are its tokens by definition.
        if (name === 'effectiveTokens' && low === high) continue;
        counts[name].intervals++;
        const slack = 1e-9 * Math.abs(expected);
        if (low - slack <= expected && expected <= high + slack) counts[name].held++;
      }
    }
  }
  return Object.fromEntries(
    Object.entries(counts).map(([name, { held, intervals }]) => [
      name,
      { covered: held / intervals, intervals },
    ]),
  );
}
