import type { Nanoseconds } from '../../../core/units.js';
import type { CumulativeCurve } from '../../window.js';
import { conservedShares } from './charges.js';
import { designOf, type RegressorName } from './design.js';
import { type Coefficient, fewestWindows, fitWindows } from './fit.js';
import { intervalsOf } from './intervals.js';
import { type ServedRequest, timelineOf } from './timeline.js';
import { cutWindows, readingsInWindow } from './windows.js';

export interface ShareOptions {
  /** What the counter showed: CPU time in ns, joules, or GPU busy time in ns. */
  curve: CumulativeCurve;
  startNs: Nanoseconds;
  endNs: Nanoseconds;
  requests: readonly ServedRequest[];
  /** The smallest amount told apart: `quantum.joules` or `quantum.nanoseconds` of `attribute.ts`. */
  quantum: number;
  /** Time between readings of the counter, or its own period where that is longer: between them it is interpolated. */
  resolutionNs: Nanoseconds;
  seed: number;
}

/** A share and the interval that holds it with 95% probability. */
export interface ServedShare {
  prefill: number;
  decode: number;
  /** `prefill` + `decode`, exactly. */
  amount: number;
  low: number;
  high: number;
}

/** Who used what of a server's counter. `requests` + `idle` + `unattributed` = `total`, to the last bit. */
export interface ServedShares {
  refused: null;
  total: number;
  /** Of every request whose tokens are known, also of failed ones. */
  byRequest: Map<number, ServedShare>;
  /** Sum of the amounts of `byRequest`. */
  requests: number;
  /** Used in the time in which no request was in flight. */
  idle: number;
  /** Used while requests ran whose tokens nobody counted, beyond what the others used. */
  unattributed: number;
  /** Time in which the counter was not read; its use is in no figure here. */
  unknownNs: Nanoseconds;
  /** `requests` divided by tokens instead, prompt and completion alike: what is commonly done, for comparison. */
  byAverage: Map<number, number>;
  coefficients: Coefficient[];
  /** Left out, as the windows could not tell them from the others, in the order of leaving. */
  dropped: RegressorName[];
  conditionNumber: number;
  windows: number;
  /** Windows in a block of the bootstrap. */
  blockLength: number;
  /** Root mean square of the windows' residuals ÷ that of their amounts. */
  residualShare: number;
  /** What the charges were multiplied by to add up to what the counter showed. */
  scale: number;
}

export interface SharesRefused {
  /** What is wrong, and what to do about it. */
  refused: string;
}

/**
 * Shares a counter of a server among the requests that it served: the counter's amounts in windows are fitted by
 * non-negative least squares on the work that ran in them (`design.ts`), and each request is charged with its own work
 * at the fitted costs, all charges being scaled by one factor to what the counter showed. README.md has the model, its
 * assumptions and its measured error.
 */
export function shareServedCounter(options: ShareOptions): ServedShares | SharesRefused {
  const { seed, requests } = options;
  const timeline = timelineOf(requests);
  const windows = cutWindows(timeline, options);
  const design = designOf(timeline, windows);
  const fit = fitWindows(design, seed);
  if (typeof fit === 'string') return { refused: `${fit}${slowness(options.resolutionNs)}` };
  const shares = conservedShares(design, fit, options);
  if (typeof shares === 'string') return { refused: shares };
  const { charged, ...sums } = shares;
  const intervals = intervalsOf(design, fit, charged, seed);
  return {
    refused: null,
    ...sums,
    byRequest: new Map(
      charged.map(({ id, prefill, decode, amount }, at) => [
        id,
        { prefill, decode, amount, ...intervals[at]! },
      ]),
    ),
    byAverage: averages(requests, sums.requests),
    coefficients: fit.coefficients,
    dropped: fit.dropped,
    conditionNumber: fit.conditionNumber,
    windows: fit.windows,
    blockLength: fit.blockLength,
    residualShare: fit.residualShare,
  };
}

/** From so long on between readings, runs of the usual length are too short to be cut into windows. */
const slowNs = 0.9e9;

function slowness(resolutionNs: Nanoseconds): string {
  if (resolutionNs < slowNs) return '';
  const shown = `${Number((resolutionNs / 1e9).toPrecision(2))} s`;
  const least = Math.ceil((readingsInWindow * fewestWindows * resolutionNs) / 1e9);
  return ` It shows a new figure once in ${shown}, so that it takes a run of ${least} s or more; DCGM’s exporter looks more often with DCGM_EXPORTER_INTERVAL=1000.`;
}

function averages(requests: readonly ServedRequest[], amount: number): Map<number, number> {
  const tokens = requests.flatMap(({ id, promptTokens, completionTokens }) =>
    promptTokens === null || completionTokens === null
      ? []
      : [[id, promptTokens + completionTokens] as const],
  );
  const sum = tokens.reduce((total, [, count]) => total + count, 0);
  return new Map(tokens.map(([id, count]) => [id, sum > 0 ? (amount * count) / sum : 0]));
}
