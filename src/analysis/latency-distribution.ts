import { decodeFromCompressedBase64, JsHistogram } from 'hdr-histogram-js';
import { log } from '../core/log.js';
import type { OkRequest, Result } from '../core/result.js';
import { isOk } from '../core/result.js';
import { smallestSample } from '../stats/quantile.js';
import { endToEndNs, timeToFirstTokenNs } from './request-metrics.js';

/** The spread of a latency, in bins of equal width on a logarithmic scale. */
export interface LatencyDistribution {
  name: 'timeToFirstToken' | 'interToken' | 'endToEnd';
  /** The latency that is counted. */
  counted: 'requests' | 'tokens';
  /** ns; one more than there are counts. */
  boundsNs: number[];
  counts: number[];
  /** ns; those the sample is large enough for. */
  percentiles: { name: string; valueNs: number }[];
  /** Requests it is drawn from; fewer than succeeded where reading all would take too long. */
  requests: number;
  of: number;
}

/** Decoding takes up to a millisecond each. */
const mostHistograms = 1000;
const mostBins = 40;

/** TTFT and E2E from submission, and the gaps between tokens out of the requests' HdrHistograms. */
export function latencyDistributions(result: Result): LatencyDistribution[] {
  const requests = result.requests.filter(isOk);
  const measured = (name: LatencyDistribution['name'], of: (request: OkRequest) => number) =>
    distributionOf(name, 'requests', requests.length, requests.length, counted(requests.map(of)));
  return [
    measured('timeToFirstToken', (request) => timeToFirstTokenNs(request, 'submitted')),
    interToken(requests),
    measured('endToEnd', (request) => endToEndNs(request, 'submitted')),
  ].flatMap((distribution) => distribution ?? []);
}

type Counted = { value: number; count: number }[];

function interToken(requests: readonly OkRequest[]): LatencyDistribution | null {
  const encoded = requests.flatMap(({ interTokenLatency }) => interTokenLatency ?? []);
  const { merged, read } = mergedHistogram(evenly(encoded, mostHistograms));
  const values: Counted = [];
  if (merged !== null) {
    const recorded = merged.recordedValuesIterator;
    recorded.reset();
    while (recorded.hasNext()) {
      const { valueIteratedTo, countAtValueIteratedTo } = recorded.next();
      values.push({ value: merged.medianEquivalentValue(valueIteratedTo), count: countAtValueIteratedTo });
    }
  }
  return distributionOf('interToken', 'tokens', read, encoded.length, values);
}

/** Text that is no histogram is left out: a result may have been written by anyone. */
function mergedHistogram(encoded: readonly string[]): { merged: JsHistogram | null; read: number } {
  let merged: JsHistogram | null = null;
  let read = 0;
  for (const text of encoded) {
    try {
      const histogram = decodeFromCompressedBase64(text, 32);
      if (!(histogram instanceof JsHistogram)) continue;
      if (merged === null) {
        merged = histogram;
        merged.autoResize = true;
      } else merged.add(histogram);
      read++;
    } catch (error) {
      // Counted as unread.
      log('histogram of inter-token latencies: %s', error);
    }
  }
  return { merged, read };
}

function counted(values: readonly number[]): Counted {
  return values.toSorted((a, b) => a - b).map((value) => ({ value, count: 1 }));
}

/** `null` where there is nothing above 0 to show on a logarithmic scale. */
function distributionOf(
  name: LatencyDistribution['name'],
  what: LatencyDistribution['counted'],
  requests: number,
  of: number,
  values: Counted,
): LatencyDistribution | null {
  const positive = values.filter(({ value }) => value > 0);
  const total = positive.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  // Room at both ends keeps a single value off the edges.
  const [least, most] = [positive[0]!.value / 1.05, positive.at(-1)!.value * 1.05];
  const bins = Math.max(4, Math.min(mostBins, Math.ceil(2 * Math.sqrt(total))));
  const width = Math.log(most / least) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (const { value, count } of positive) {
    counts[Math.min(bins - 1, Math.floor(Math.log(value / least) / width))]! += count;
  }
  const percentiles = [50, 90, 95, 99].filter(
    (percent) => percent === 50 || total >= smallestSample(percent),
  );
  return {
    name,
    counted: what,
    boundsNs: Array.from({ length: bins + 1 }, (_, k) => least * Math.exp(k * width)),
    counts,
    percentiles: percentiles.map((percent) => ({
      name: percent === 50 ? 'median' : `p${percent}`,
      valueNs: valueAt(positive, (percent / 100) * total),
    })),
    requests,
    of,
  };
}

/** The least value that `rank` of the counted values do not exceed. */
function valueAt(values: Counted, rank: number): number {
  let reached = 0;
  for (const { value, count } of values) {
    reached += count;
    if (reached >= rank) return value;
  }
  return values.at(-1)!.value;
}

function evenly<Item>(items: readonly Item[], most: number): readonly Item[] {
  const step = Math.max(1, items.length / most);
  return Array.from({ length: Math.ceil(items.length / step) }, (_, k) => items[Math.floor(k * step)]!);
}
