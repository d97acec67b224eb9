import { meanOf, placeOf } from './coverage.js';
import { kindOf, type LengthKind } from './length-kind.js';
import type { TallyBin } from './usage-tally.js';
import { type MeasuredPoint, termsOf, type WorkLaw } from './work-law.js';

/** What a law says of a log. */
interface Weighed {
  /** Misbilled share under one price per token. */
  share: number;
  total: number;
  /** Per kind, what it pays ÷ what it costs. */
  pays: number[];
}

/** The covered part of a log, with what depends on its lengths alone prepared once. */
export class BilledLog {
  readonly kinds: (LengthKind & { requests: number; billShare: number })[] = [];
  /** Per bin, the terms of the law, summed over its requests. */
  readonly #terms: Float64Array[];
  /** Per bin, the index of the measured cell whose lengths are nearest. */
  readonly #nearest: Int32Array;
  readonly #kindOf: Int32Array;
  /** Per bin, its share of the bill. */
  readonly #bill: Float64Array;

  constructor(bins: readonly TallyBin[], points: readonly MeasuredPoint[]) {
    const places = points.map(placeOf);
    this.#terms = bins.map((bin) => Float64Array.from(termsOf(meanOf(bin)), (term) => bin.requests * term));
    this.#nearest = Int32Array.from(bins, (bin) => nearest(places, placeOf(meanOf(bin))));
    const billed = bins.reduce((sum, { prompt, completion }) => sum + prompt + completion, 0);
    this.#bill = Float64Array.from(bins, ({ prompt, completion }) => (prompt + completion) / billed);
    const indices = new Map<string, number>();
    this.#kindOf = Int32Array.from(bins, (bin, k) => {
      const kind = kindOf(meanOf(bin));
      const key = JSON.stringify(kind);
      if (!indices.has(key)) indices.set(key, this.kinds.push({ ...kind, requests: 0, billShare: 0 }) - 1);
      const index = indices.get(key)!;
      this.kinds[index]!.requests += bin.requests;
      this.kinds[index]!.billShare += this.#bill[k]!;
      return index;
    });
  }

  /** Holds the work that a law predicts against one price per token; `misfit` is of the logarithm, per nearest cell. */
  weigh(law: WorkLaw, misfit?: readonly number[]): Weighed {
    const factors = misfit && Float64Array.from(misfit, Math.exp);
    const work = new Float64Array(this.#terms.length);
    let total = 0;
    for (let k = 0; k < work.length; k++) {
      const terms = this.#terms[k]!;
      let own = 0;
      for (let term = 0; term < terms.length; term++) own += law[term]! * terms[term]!;
      work[k] = factors === undefined ? own : own * factors[this.#nearest[k]!]!;
      total += work[k]!;
    }
    let apart = 0;
    const ofKinds = new Float64Array(this.kinds.length);
    for (let k = 0; k < work.length; k++) {
      apart += Math.abs(work[k]! / total - this.#bill[k]!);
      ofKinds[this.#kindOf[k]!]! += work[k]! / total;
    }
    return {
      share: apart / 2,
      total,
      pays: this.kinds.map(({ billShare }, kind) => billShare / ofKinds[kind]!),
    };
  }
}

function nearest(places: readonly (readonly [number, number])[], [x, y]: readonly [number, number]): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let index = 0; index < places.length; index++) {
    const [a, b] = places[index]!;
    const distance = (a - x) ** 2 + (b - y) ** 2;
    if (distance < least) [best, least] = [index, distance];
  }
  return best;
}
