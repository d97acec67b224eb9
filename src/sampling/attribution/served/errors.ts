import type { AttributionError } from '../../../core/records/sampling.js';
import { median } from '../../../stats/quantile.js';
import { windowOfSpans } from '../../repeated-window.js';
import { isSharp } from '../../window.js';
import { attributionError } from '../attribute.js';
import type { UseMetric } from '../devices.js';
import type { AloneRun, PairRun, Segment } from '../segment.js';
import { type AloneError, errorAgainstAlone } from './against-alone.js';
import type { ServedShare } from './share-counter.js';
import type { Account, ServedShares } from './share-segment.js';

/**
 * How far the shares of concurrent requests are from what the same requests used alone (medians by cell): after the mean
 * slow-down is taken out, which is no error of sharing, as requests that run together cost more or less than alone; and
 * with one slow-down of prefill and one of decode, of which batching changes the latter alone. Beside them, the same of
 * tokens × average, and how far two requests at once are from the sum of both.
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
    const aloneOf = (id: number) => alone.get(cellOf.get(id) ?? '');
    // Of several devices of one metric, such as GPUs, the same requests are in each account.
    const accounts = shares.flatMap(({ accounts: of }) =>
      [...of].flatMap(([account, own]) => (account.startsWith(`${metric}/`) ? [own] : [])),
    );
    return [
      ...regressed(named, summed(accounts.map(({ byRequest }) => byRequest)), aloneOf),
      ...averaged(named, accounts, aloneOf),
      ...pairErrors(named, segments, shares, alone),
    ];
  });
}

type Named = Pick<AttributionError, 'metric' | 'concurrency'>;
type AloneOf = (id: number) => number | undefined;

const aloneText = 'the same requests alone (medians by cell)';

function regressed(
  named: Named,
  shares: ReadonlyMap<number, ServedShare>,
  aloneOf: AloneOf,
): AttributionError[] {
  const pairs = [...shares].flatMap(([id, shared]) => {
    const alone = aloneOf(id);
    return alone === undefined ? [] : [{ shared, alone }];
  });
  const found = errorAgainstAlone(pairs);
  if (found === null) return [];
  const entry = ({ slowdown: _, ...error }: AloneError, against: string): AttributionError => ({
    ...{ ...named, method: 'share by regression', against: `${aloneText}, ${against}` },
    ...{ ...error, compared: pairs.length },
  });
  const { whole, byPhase } = found;
  const times = (factor: number) => `× ${factor.toFixed(2)}`;
  return [
    entry(whole, `shares ${times(whole.slowdown.prefill)} for the mean slow-down`),
    ...(byPhase === null
      ? []
      : [
          entry(
            byPhase,
            `prefill ${times(byPhase.slowdown.prefill)} and decode ${times(byPhase.slowdown.decode)} for theirs`,
          ),
        ]),
  ];
}

function averaged(named: Named, accounts: readonly Account[], aloneOf: AloneOf): AttributionError[] {
  const sums = new Map<number, number>();
  for (const { byAverage } of accounts)
    for (const [id, amount] of byAverage) sums.set(id, (sums.get(id) ?? 0) + amount);
  const pairs = [...sums].flatMap(([id, shared]) => {
    const alone = aloneOf(id);
    return alone === undefined ? [] : [{ shared, alone }];
  });
  const total = (of: (pair: (typeof pairs)[number]) => number) =>
    pairs.reduce((sum, pair) => sum + of(pair), 0);
  const factor = total(({ alone }) => alone) / total(({ shared }) => shared);
  const error = attributionError(pairs.map(({ shared, alone }) => ({ shared: shared * factor, alone })));
  if (error === null) return [];
  const against = `${aloneText}, shares × ${factor.toFixed(2)} for the mean slow-down`;
  return [{ ...named, method: 'tokens × average', against, ...error, compared: pairs.length }];
}

/** Shares of one request in several devices, added up; their intervals too, as if they erred together. */
function summed(accounts: readonly ReadonlyMap<number, ServedShare>[]): Map<number, ServedShare> {
  const sums = new Map<number, ServedShare>();
  for (const account of accounts) {
    for (const [id, share] of account) {
      const known = sums.get(id);
      sums.set(
        id,
        known === undefined
          ? share
          : {
              prefill: known.prefill + share.prefill,
              decode: known.decode + share.decode,
              amount: known.amount + share.amount,
              low: known.low + share.low,
              high: known.high + share.high,
            },
      );
    }
  }
  return sums;
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
