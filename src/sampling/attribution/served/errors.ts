import type { AttributionError } from '../../../core/sampling-record.js';
import { median } from '../../../stats/quantile.js';
import { windowOfSpans } from '../../repeated-window.js';
import { isSharp } from '../../window.js';
import { attributionError } from '../attribute.js';
import type { UseMetric } from '../devices.js';
import type { AloneRun, PairRun, Segment } from '../segment.js';
import type { ServedShares } from './share-segment.js';

/** A request's share, held against what the same request used alone. */
interface Pair {
  shared: number;
  alone: number;
  interval: readonly [number, number] | null;
}

/**
 * How far the shares of concurrent requests are from what the same requests used alone (medians by cell), as they are
 * and after the mean slow-down is taken out, which is no error of sharing: requests that run together cost more or less
 * than alone. Beside them, the same of tokens × average; and how far two requests at once are from the sum of both.
 */
export function servedErrors(
  segments: readonly Segment[],
  shares: readonly ServedShares[],
  cellOf: ReadonlyMap<number, string>,
  concurrency: number,
): AttributionError[] {
  return (['cpuTime', 'energy'] as const).flatMap((metric) => {
    const alone = aloneByCell(metric, segments, shares);
    if (alone.size === 0) return [];
    const named = { metric, concurrency };
    const figures = shares.flatMap(({ used }) =>
      [...used].flatMap(([id, use]) => ({ id, figure: use[metric] })),
    );
    const regressed = figures.flatMap(({ id, figure }): Pair[] =>
      figure && figure.value !== null ? pairWith(alone, cellOf.get(id), figure.value, figure.interval) : [],
    );
    const average = averagesOf(metric, shares);
    const averaged = [...average].flatMap(([id, value]) => pairWith(alone, cellOf.get(id), value, null));
    return [
      ...against(named, 'share by regression', regressed),
      ...against(named, 'tokens × average', averaged),
      ...pairErrors(named, segments, shares, alone),
    ];
  });
}

type Named = Pick<AttributionError, 'metric' | 'concurrency'>;

const aloneText = 'the same requests alone (medians by cell)';

function against(named: Named, method: string, pairs: readonly Pair[]): AttributionError[] {
  const raw = attributionError(pairs);
  if (raw === null) return [];
  const total = (of: (pair: Pair) => number) => pairs.reduce((sum, pair) => sum + of(pair), 0);
  const slowdown = total(({ shared }) => shared) / total(({ alone }) => alone);
  const evened = pairs.map((pair) => ({ ...pair, alone: pair.alone * slowdown }));
  const without = attributionError(evened);
  const told = evened.filter(({ interval }) => interval !== null);
  const held = told.filter(({ alone, interval }) => alone >= interval![0] && alone <= interval![1]);
  const compared = pairs.length;
  return [
    { ...named, method, against: aloneText, ...raw, compared },
    ...(without === null
      ? []
      : [
          {
            ...named,
            method,
            against: `${aloneText}, × ${slowdown.toFixed(2)}, their mean slow-down`,
            ...without,
            compared,
            ...(told.length > 0 && { coverage: held.length / told.length }),
          },
        ]),
  ];
}

function pairWith(
  alone: ReadonlyMap<string, number>,
  cell: string | undefined,
  shared: number,
  interval: Pair['interval'],
): Pair[] {
  const own = cell === undefined ? undefined : alone.get(cell);
  return own === undefined ? [] : [{ shared, alone: own, interval }];
}

/** The median over a cell's runs alone, of those whose figure is known. */
function aloneByCell(
  metric: UseMetric,
  segments: readonly Segment[],
  shares: readonly ServedShares[],
): Map<string, number> {
  const amounts = new Map<string, number[]>();
  for (const [index, segment] of segments.entries()) {
    for (const run of segment.alone) {
      const amount = amountOf(metric, run, shares[index]!);
      if (amount !== null) amounts.set(run.cell, [...(amounts.get(run.cell) ?? []), amount]);
    }
  }
  return new Map([...amounts].map(([cell, own]) => [cell, median(own)!]));
}

/** By the process's own clock where that was read around it, else by what was sampled. */
function amountOf(
  metric: UseMetric,
  { cpuNs, spans }: Pick<AloneRun | PairRun, 'cpuNs' | 'spans'>,
  { devices }: ServedShares,
): number | null {
  if (metric === 'cpuTime' && cpuNs !== null) return cpuNs;
  const counted = devices.filter((use) => use.metric === metric && use.counted);
  let sum = 0;
  for (const { curve } of counted) {
    const figure = windowOfSpans(curve, spans);
    if (figure.value === null || !isSharp(figure)) return null;
    sum += figure.value;
  }
  return counted.length === 0 ? null : sum;
}

/** Over all devices of the metric; of a request that one of them says nothing of, nothing. */
function averagesOf(metric: UseMetric, shares: readonly ServedShares[]): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { byAverage } of shares) {
    for (const [account, amounts] of byAverage) {
      if (!account.startsWith(`${metric}/`)) continue;
      for (const [id, amount] of amounts) sums.set(id, (sums.get(id) ?? 0) + amount);
    }
  }
  return sums;
}

function pairErrors(
  named: Named,
  segments: readonly Segment[],
  shares: readonly ServedShares[],
  alone: ReadonlyMap<string, number>,
): AttributionError[] {
  const pairs = segments.flatMap((segment, index) =>
    segment.pairs.flatMap((pair) => {
      const shared = amountOf(named.metric as UseMetric, pair, shares[index]!);
      const apart = pair.cells.map((cell) => alone.get(cell));
      if (shared === null || apart.some((amount) => amount === undefined)) return [];
      return [{ shared, alone: apart.reduce<number>((sum, amount) => sum + amount!, 0) }];
    }),
  );
  const error = attributionError(pairs);
  if (error === null) return [];
  const against = 'the sum of both alone';
  return [
    { ...named, concurrency: 2, method: 'two requests at once', against, ...error, compared: pairs.length },
  ];
}
