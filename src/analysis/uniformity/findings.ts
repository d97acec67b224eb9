import { type LorenzPoint, lorenzCurve } from '../../stats/concentration.js';
import { sum } from '../../stats/sum.js';
import type { RequestTable } from '../requests/request-table.js';
import type { Statistic } from '../statistic.js';
import { requestBand } from './cell-error.js';
import { sampleBuffer } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import type { Driver, DriverAnalysis } from './drivers.js';
import { fittedTariffs, type Prices } from './tariff.js';
import type { Tariff } from './tariff-fit.js';
import { type UniformityOptions, uniformityStatistics } from './uniformity.js';
import type { Noise } from './within-cell-noise.js';
import { type CrossSubsidy, type Extremes, extremesOf, worstCells } from './worst-cells.js';

/** Whether tokens track one metric of work; `tokenwork report FILE --json` prints it. */
export interface Uniformity {
  unit: string;
  cells: number;
  requests: number;
  /** Relative standard deviation between repetitions of a cell; `null` where nothing was repeated. */
  noise: number | null;
  /** The factor each way within which noise and drift alone would put 95% of requests around one price per token. */
  requestBand: number | null;
  misbilledShare: Statistic;
  gini: Statistic;
  /** Shares of the bill and of the work, cells by rising work per token; 200 points at most. */
  lorenz: LorenzPoint[];
  theil: Statistic;
  /** Explained variance, held out by cell. */
  rSquared: Record<Tariff, Statistic>;
  elasticity: Statistic;
  workPerToken: { cv: Statistic; p95OverP5: Statistic; maxOverMedian: Statistic };
  /** Fitted prices in units of work, and what stays misbilled under them; `null` where not determined. */
  tariffs: Record<
    Tariff,
    { prices: (Omit<Prices, 'model'> & { model: string })[]; misbilledShare: number } | null
  >;
  worstCells: CrossSubsidy[];
  extremes: Extremes;
  /** `null` with a reason where work per token does not vary, or no factor does. */
  drivers: Driver[] | null;
  driversReason?: string;
  driversLeftOut: { factor: string; reason: string }[];
}

const worstListed = 5;
const lorenzPoints = 200;

/** One metric's findings, from its totals per cell and the noise between repetitions. */
export function uniformityOf(
  table: RequestTable,
  totals: CellTotals,
  noise: Noise | null,
  { unit, drivers: analysis, options }: { unit: string; drivers: DriverAnalysis; options: UniformityOptions },
): Uniformity {
  const sample = sampleBuffer(totals).fill(totals.work);
  const of = uniformityStatistics(sample, noise, options);
  const { unjudged } = options;
  const level =
    of.misbilledShare.verdict === 'not distinguishable'
      ? 'work per token does not vary beyond noise'
      : undefined;
  const drivers = unjudged ?? level ?? analysis.driversOf(totals, sample);
  return {
    unit,
    cells: totals.cell.length,
    requests: sum(totals.requests),
    noise: noise === null ? null : Math.sqrt(Math.expm1(noise.sigma ** 2)),
    requestBand: noise === null ? null : requestBand(noise),
    misbilledShare: of.misbilledShare,
    gini: of.gini,
    lorenz: lorenzCurve(sample.work, sample.bill, sample.order(), lorenzPoints),
    theil: of.theil,
    rSquared: { oneRate: of.oneRate, inputOutput: of.inputOutput, inputOutputFee: of.inputOutputFee },
    elasticity: of.elasticity,
    workPerToken: { cv: of.cv, p95OverP5: of.p95OverP5, maxOverMedian: of.maxOverMedian },
    tariffs: Object.fromEntries(
      Object.entries(fittedTariffs(sample)).map(([tariff, fitted]) => {
        const named = fitted?.prices.map(({ model, ...prices }) => ({
          model: table.models[table.modelOfCell[totals.cell[totals.model.indexOf(model)]!]!]!,
          ...prices,
        }));
        return [tariff, fitted && { prices: named, misbilledShare: fitted.misbilledShare }];
      }),
    ) as Uniformity['tariffs'],
    worstCells: unjudged === undefined ? worstCells(table, totals, sample, noise, worstListed) : [],
    extremes:
      unjudged === undefined ? extremesOf(table, totals, sample, noise) : { overpays: null, underpays: null },
    drivers: typeof drivers === 'string' ? null : drivers.drivers,
    ...(typeof drivers === 'string' && { driversReason: drivers }),
    driversLeftOut: typeof drivers === 'string' ? [] : drivers.leftOut,
  };
}
