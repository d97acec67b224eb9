import type { EffectiveTokens } from '../../analysis/effective-tokens.js';
import type { Findings, Uniformity } from '../../analysis/findings.js';
import type { Statistic } from '../../analysis/statistic.js';
import { canBeAsked } from '../../analysis/uniformity/tariff.js';
import type { Tariff } from '../../analysis/uniformity/tariff-fit.js';
import type { WorkMetric } from '../../core/metrics.js';
import {
  formatInterval,
  formatNumber,
  formatPercent,
  formatWithUnit,
  percent,
  ratios,
  shares,
} from '../words/format.js';
import { cellName, factorName, metricName } from '../words/names.js';
import { columnsOf, type Table } from './table.js';

/** A row per kind of work: how far a per-token bill misses it, and what other price lists explain. */
export function uniformityTable({ uniformity }: Findings): Table {
  const rows = (Object.entries(uniformity) as [WorkMetric, Uniformity][]).map(([metric, of]) => ({
    metric,
    ...of,
  }));
  const table = columnsOf(rows);
  const number = (
    header: readonly [string, string],
    priority: number,
    statistic: (row: Uniformity) => Statistic,
    digits?: number,
  ) =>
    table.number(header, (row) => statistic(row).value, {
      priority,
      show: (value) => formatNumber(digits === undefined ? value : Number(value.toFixed(digits))),
    });
  return {
    name: 'uniformity',
    title: 'Statistics of every measure of work',
    columns: [
      table.text('work', ({ metric }) => metricName(metric), { priority: 100 }),
      table.estimate('misbilled', ({ misbilledShare }) => misbilledShare, {
        id: 'misbilled_share',
        style: shares,
        priority: 99,
      }),
      table.number(['by noise', 'alone'], ({ misbilledShare }) => misbilledShare.noiseFloor, {
        id: 'share_by_noise_alone',
        show: (value) => percent(value),
        priority: 90,
      }),
      table.text('verdict', ({ misbilledShare }) => misbilledShare.verdict ?? 'not known', {
        align: 'right',
        priority: 85,
      }),
      number(['R²', '1 price'], 70, ({ rSquared }) => rSquared.oneRate, 3),
      number(['R²', 'in, out'], 60, ({ rSquared }) => rSquared.inputOutput, 3),
      number(['R²', '+ fee'], 59, ({ rSquared }) => rSquared.inputOutputFee, 3),
      number(['elasticity', ''], 50, ({ elasticity }) => elasticity, 2),
      number(['CV', '/token'], 20, ({ workPerToken }) => workPerToken.cv, 3),
      number(['p95/p5', '/token'], 40, ({ workPerToken }) => workPerToken.p95OverP5),
      number(['max/med.', '/token'], 41, ({ workPerToken }) => workPerToken.maxOverMedian),
      number(['Gini', ''], 30, ({ gini }) => gini, 3),
    ],
    notes: [
      'R²: variance of work explained by a tariff, held out by cell; below 0 the tariff predicts worse than the mean. Elasticity: slope of log work on log tokens, 1 is proportional. CV: standard deviation over mean.',
    ],
  };
}

/** The cells that pay farthest from what they cost, farthest first. */
export function worstCellsTable({ uniformity, workload }: Findings, metric: WorkMetric): Table {
  const table = columnsOf(uniformity[metric]!.worstCells);
  return {
    name: `worst-cells-${metric}`,
    title: `Farthest from paying what they cost, by ${metricName(metric)}`,
    columns: [
      table.text('cell', ({ cell }) => cellName(cell, workload.models), { priority: 100 }),
      table.number('pays', ({ paysTimesItsCost }) => paysTimesItsCost, {
        id: 'pays_times_its_cost',
        show: (value) => `${formatNumber(value)}×`,
        priority: 99,
      }),
      table.ends('its cost', (cell) => cell, {
        id: 'pays_times_its_cost',
        style: ratios,
        show: (low, high, style) => bracketed(low, high, style),
        align: 'left',
        priority: 80,
      }),
      table.number('of the bill', ({ overpaidShare }) => overpaidShare, {
        id: 'overpaid_share_of_the_bill',
        show: (value) => `${value > 0 ? '+' : ''}${formatPercent(Number(value.toFixed(4)))}`,
        priority: 60,
      }),
    ],
  };
}

/** The share of the work behind each share of the bill, from the cells that pay most for it to the least. */
export function lorenzTable({ uniformity }: Findings, metric: WorkMetric): Table {
  const table = columnsOf(uniformity[metric]!.lorenz);
  return {
    name: `lorenz-${metric}`,
    title: `Lorenz curve of ${metricName(metric)} against the bill`,
    columns: [
      table.number('share of the bill', ({ bill }) => bill, { show: formatPercent }),
      table.number(`share of the ${metricName(metric)}`, ({ work }) => work, {
        id: 'share_of_the_work',
        show: formatPercent,
      }),
    ],
  };
}

/** Factors by their share of the variance of work per token; no rows where that is not known. */
export function driversTable({ uniformity }: Findings, metric: WorkMetric): Table {
  const table = columnsOf(uniformity[metric]!.drivers ?? []);
  return {
    name: `drivers-${metric}`,
    title: `What makes ${metricName(metric)} per token vary`,
    columns: [
      table.text('factor', ({ factor }) => factorName(factor)),
      table.number('share', ({ share }) => share, {
        id: 'share_of_variance',
        show: (value) => percent(value),
      }),
    ],
  };
}

const tariffNames: Record<Tariff, string> = {
  oneRate: 'one price',
  inputOutput: 'input and output price',
  inputOutputFee: 'and a fee per request',
};

interface TariffRow {
  tariff: Tariff;
  model: string;
  input: number | null;
  output: number | null;
  fee: number | null;
  misbilled: number | null;
}

/** The prices that fit a metric best, and what stays misbilled under them. */
export function tariffsTable({ uniformity, workload }: Findings, metric: WorkMetric): Table {
  const { tariffs, unit } = uniformity[metric]!;
  const rows = (Object.keys(tariffNames) as Tariff[]).flatMap((tariff): TariffRow[] => {
    const found = tariffs[tariff];
    if (found === null) return [{ tariff, model: '', input: null, output: null, fee: null, misbilled: null }];
    return found.prices.map(({ model, inputPerToken, outputPerToken, perRequest }) => ({
      tariff,
      model,
      input: inputPerToken,
      output: outputPerToken,
      fee: tariff === 'inputOutputFee' ? perRequest : null,
      misbilled: found.misbilledShare,
    }));
  });
  const table = columnsOf(rows);
  const price = { unit, show: (value: number) => formatWithUnit(value, unit) };
  return {
    name: `tariffs-${metric}`,
    title: `Tariffs fitted to ${metricName(metric)}`,
    columns: [
      table.text('tariff', ({ tariff }) => tariffNames[tariff]),
      ...(workload.models.length > 1 ? [table.text('model', ({ model }) => model)] : []),
      table.number(['input', 'per token'], ({ input }) => input, price),
      table.number(['output', 'per token'], ({ output }) => output, {
        ...price,
        show: (value, { tariff }) => (tariff === 'oneRate' ? 'the same' : price.show(value)),
      }),
      table.number(['fee', 'per request'], ({ fee }) => fee, price),
      table.number(['misbilled', 'as fitted'], ({ misbilled }) => misbilled, {
        id: 'misbilled_share_as_fitted',
        show: formatPercent,
        absent: 'not determined',
      }),
    ],
    notes: [
      `Prices in ${metricName(metric)}. The misbilled share here is as fitted, with noise in it.`,
      ...(Object.values(tariffs).some((fitted) => fitted !== null && !fitted.prices.every(canBeAsked))
        ? ['One with a negative price fits, and is no price list that could be asked for.']
        : []),
    ],
  };
}

/** Cells with what they would be billed, were tokens work. */
export function effectiveTokensTable(
  rows: readonly EffectiveTokens[],
  { workload }: Findings,
  metric: WorkMetric,
): Table {
  const table = columnsOf(rows);
  return {
    name: `effective-tokens-${metric}`,
    title: `Effective tokens by ${metricName(metric)}`,
    columns: [
      table.text('request', ({ cell }) => cellName(cell, workload.models)),
      table.number(['billed', 'tokens'], ({ billed }) => billed),
      table.number(['effective', 'tokens'], ({ effective }) => effective),
      table.ends('95% interval', (cell) => cell, { id: 'effective_tokens' }),
      table.number('effective ÷ billed', ({ effective, billed }) => effective / billed, {
        show: (value) => `${formatNumber(value)}×`,
      }),
    ],
  };
}

function bracketed(low: number | null, high: number | null, style: typeof ratios): string {
  return low === null || high === null ? '' : `[${formatInterval(low, high, style)}]`;
}
