import type { Nanoseconds } from '../../../core/units.js';
import type { CumulativeCurve } from '../../window.js';

/** A request to a server as its client saw it, on the clock of the counter's curve. */
export interface ServedRequest {
  id: number;
  sentNs: Nanoseconds;
  /** Null where no token came. */
  firstTokenNs: Nanoseconds | null;
  lastTokenNs: Nanoseconds | null;
  /** When it was done, in whatever way. */
  endNs: Nanoseconds;
  /** Null where nobody counted them: what such a request used is in no figure but `unattributed`. */
  promptTokens: number | null;
  /** Of the prompt's tokens, those taken from a cache; null counts as none. */
  cachedTokens: number | null;
  completionTokens: number | null;
  failed: boolean;
  /** When each token of the completion came, where each came apart; tokens are else spread evenly. */
  tokenTimesNs?: readonly Nanoseconds[] | null;
  /** Time that the server says it spent on the prompt, until its first token. */
  serverPrefillNs?: Nanoseconds | null;
}

export interface ShareOptions {
  /** What the counter showed: CPU time in ns, joules, or GPU busy time in ns. */
  curve: CumulativeCurve;
  startNs: Nanoseconds;
  endNs: Nanoseconds;
  requests: readonly ServedRequest[];
  /** The smallest amount told apart: `quantum.joules` or `quantum.nanoseconds` of `attribute.ts`. */
  quantum: number;
  /** Moments between which the counter is known no better than by interpolation; its period of sampling. */
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

export type RegressorName = 'idle' | 'prefill' | 'prefillAttention' | 'decode' | 'decodeContext' | 'step';

export interface Coefficient {
  name: RegressorName;
  /** In the counter's unit per this. */
  per: 'ns' | 'token' | 'token·token' | 'step';
  value: number;
  low: number;
  high: number;
}

/** Who used what of a server's counter. Requests + `idle` + `unattributed` = `total`, to the last bit. */
export interface ServedShares {
  refused: null;
  total: number;
  byRequest: Map<number, ServedShare>;
  requests: number;
  idle: number;
  unattributed: number;
  /** The same requests by tokens × average, as is common: for comparison, not conserved per phase. */
  byAverage: Map<number, number>;
  coefficients: Coefficient[];
  /** Regressors that the windows could not tell apart from those that stayed, in the order of leaving. */
  dropped: RegressorName[];
  conditionNumber: number;
  windows: number;
  windowNs: Nanoseconds;
  /** Windows in a block of the bootstrap. */
  blockLength: number;
  /** Root mean square of the windows' residuals ÷ the mean amount of a window. */
  residualShare: number;
}

export interface SharesRefused {
  /** What is wrong, and what to do about it. */
  refused: string;
}

/** Shares a counter of a server among the requests that it served. */
export function shareServedCounter(_options: ShareOptions): ServedShares | SharesRefused {
  return { refused: 'Requests are not told apart yet.' };
}
