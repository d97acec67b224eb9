import { gini, hoover, theil } from '../../stats/concentration.js';
import type { CellSample } from './cell-sample.js';
import type { CellFigures } from './cell-totals.js';
import { explainedByTariffs } from './explained-by-tariff.js';
import type { Tariff } from './tariff-fit.js';
import { fewestCellsForTails, largestPerToken, tailsPerToken, variationPerToken } from './work-per-token.js';

const statisticNames = [
  'misbilledShare',
  'gini',
  'theil',
  'cv',
  'p95OverP5',
  'maxOverMedian',
  'oneRate',
  'inputOutput',
  'inputOutputFee',
  'elasticity',
] as const;
export type StatisticName = (typeof statisticNames)[number];

/** A statistic of fairness: how to compute it, what it is when tokens track work, and how it errs. */
export interface Measure {
  name: StatisticName;
  /** `NaN` where the sample does not determine it. */
  of(sample: CellSample): number;
  /** Its value where tokens track work perfectly. */
  uniform: number;
  /** Which side of the hypothesis speaks against it. */
  against: 'above' | 'below' | 'either';
  /** Noise makes it larger, as it does every measure of unevenness. */
  inflated: boolean;
  /** A ratio of the rates at the ends. */
  ofTails: boolean;
  /** It is a ratio of squares of work, whose error hangs on moments of the fourth order. */
  ofSquares: boolean;
  /** It hangs on a single cell, and cannot be judged by a part of them. */
  extreme: boolean;
  /** Why it may be undetermined. */
  undetermined: string;
}

function unevenness(
  name: StatisticName,
  uniform: number,
  of: Measure['of'],
  undetermined = 'the cells did no work',
): Measure {
  return {
    name,
    of,
    uniform,
    against: 'above',
    inflated: true,
    ofTails: name === 'p95OverP5' || name === 'maxOverMedian',
    ofSquares: false,
    extreme: name === 'maxOverMedian',
    undetermined,
  };
}

/** The cells of a run as they were measured, with what the measures make of them. */
export interface Observed {
  sample: CellSample;
  measures: readonly Measure[];
  values: ReadonlyMap<StatisticName, number>;
}

const misbilledShare = unevenness('misbilledShare', 0, ({ work, bill, copies }) =>
  hoover(work, bill, copies),
);

/** The statistics of fairness for one metric's cells; what depends on the design alone is prepared once. */
export function measuresFor(totals: CellFigures, only?: StatisticName): Measure[] {
  if (only === 'misbilledShare') return [misbilledShare];
  const explainedBy = explainedByTariffs(totals);
  const explained = (name: Tariff, undetermined: string): Measure => {
    const of = (sample: CellSample) => explainedBy(sample)[name];
    const kind = { inflated: false, ofTails: false, ofSquares: true, extreme: false };
    return { name, of, uniform: 1, against: 'below', ...kind, undetermined };
  };
  return [
    misbilledShare,
    unevenness('gini', 0, (sample) => gini(sample.work, sample.bill, sample.order(), sample.copies)),
    unevenness('theil', 0, ({ work, bill, copies }) => theil(work, bill, copies)),
    unevenness('cv', 0, variationPerToken),
    unevenness(
      'p95OverP5',
      1,
      tailsPerToken,
      `with fewer than ${fewestCellsForTails} cells, the 95th percentile would be the largest`,
    ),
    unevenness('maxOverMedian', 1, largestPerToken),
    explained('oneRate', 'work per request does not vary over cells, or there are too few of them'),
    explained(
      'inputOutput',
      'input and output tokens do not vary apart from each other over the cells, or there are too few of them',
    ),
    explained(
      'inputOutputFee',
      'input tokens, output tokens and a fee cannot be told apart over the cells, or there are too few of them',
    ),
    {
      name: 'elasticity',
      of: elasticityOf(totals),
      uniform: 1,
      against: 'either',
      inflated: false,
      ofTails: false,
      ofSquares: false,
      extreme: false,
      undetermined: 'billed tokens do not vary over cells, or a cell did no work',
    },
  ];
}

/**
 * Elasticity: the slope of log work on log billed tokens per request, over cells, within models. 1 is
 * proportional; below 1 long requests are overcharged. `NaN` where tokens do not vary within any model or
 * a cell did no work.
 */
function elasticityOf(totals: CellFigures): (sample: CellSample) => number {
  const x = totals.logTokensPerRequest;
  const y = new Float64Array(x.length);
  const sums = () => new Float64Array(totals.models);
  const [weights, tokens, works] = [sums(), sums(), sums()];
  return ({ work, weight }) => {
    for (const sum of [weights, tokens, works]) sum.fill(0);
    for (let c = 0; c < x.length; c++) {
      const model = totals.model[c]!;
      y[c] = Math.log(work[c]! / totals.requests[c]!);
      weights[model]! += weight[c]!;
      tokens[model]! += weight[c]! * x[c]!;
      works[model]! += weight[c]! * y[c]!;
    }
    let [products, squares, scale] = [0, 0, 0];
    for (let c = 0; c < x.length; c++) {
      if (weight[c] === 0) continue;
      const model = totals.model[c]!;
      const dx = x[c]! - tokens[model]! / weights[model]!;
      products += weight[c]! * dx * (y[c]! - works[model]! / weights[model]!);
      squares += weight[c]! * dx * dx;
      scale += weight[c]! * x[c]! * x[c]!;
    }
    return squares <= 1e-20 * scale || !Number.isFinite(products) ? Number.NaN : products / squares;
  };
}
