import { createRandom, deriveSeed } from '../../stats/random.js';
import type { CellFigures } from './cell-totals.js';
import type { Noise } from './within-cell-noise.js';

/** The cells that are resampled: all, or, of very many, a random part that is drawn anew each time. */
export interface Part {
  totals: CellFigures;
  noise: Noise | null;
}

export interface Thinning {
  /** Arrays that hold the resample's cells: the same each time, filled anew. */
  part: Part;
  /** Takes the next resample's cells; false where all are taken, and stay as they are. */
  next(): boolean;
  /** A part's standard error times this is the whole's: √(m/n). 1 where all cells are taken. */
  errorScale: number;
}

/** Cells beyond which a part of them shows as well how far a statistic spreads. */
export const mostCells = 2000;

/**
 * Random parts of very many cells. Drawn once for all metrics of the same cells, as their far-apart reads cost
 * more than what is computed from them.
 */
export class CellParts {
  readonly #seed: number;
  /** Keyed by the bill that metrics of the same cells share. */
  readonly #known = new WeakMap<Float64Array, PartSequence>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  of(totals: CellFigures): PartSequence {
    let known = this.#known.get(totals.tokens);
    if (known === undefined) {
      known = new PartSequence(totals, this.#seed);
      this.#known.set(totals.tokens, known);
    }
    return known;
  }
}

/** A part's cells, with all their figures but the work. */
interface CellPart {
  entries: Uint32Array;
  figures: Omit<CellFigures, 'work'>;
}

class PartSequence {
  readonly #parts: CellPart[] = [];
  readonly #entries: Uint32Array;
  readonly #random;
  readonly #totals: Omit<CellFigures, 'work'>;

  constructor(totals: CellFigures, seed: number) {
    this.#totals = totals;
    this.#random = createRandom(deriveSeed(seed, 3));
    this.#entries = new Uint32Array(totals.tokens.length);
    for (let c = 0; c < this.#entries.length; c++) this.#entries[c] = c;
  }

  at(index: number): CellPart {
    while (this.#parts.length <= index) this.#parts.push(this.#draw());
    return this.#parts[index]!;
  }

  /** The first m of a shuffle; what earlier draws left is as good a start as any. */
  #draw(): CellPart {
    const all = this.#entries;
    for (let k = 0; k < mostCells; k++) {
      const other = k + this.#random.below(all.length - k);
      const taken = all[other]!;
      all[other] = all[k]!;
      all[k] = taken;
    }
    const entries = all.slice(0, mostCells);
    const figures = figureColumns(this.#totals.models);
    for (const name of figureNames) {
      for (let k = 0; k < mostCells; k++) figures[name][k] = this.#totals[name][entries[k]!]!;
    }
    return { entries, figures };
  }
}

/**
 * The m-out-of-n bootstrap (Bickel, Götze & van Zwet 1997), which keeps findings on a million requests as
 * quick as on a thousand: how far a statistic spreads, and how far noise biases it, is seen on m of n cells
 * and scaled. The statistics themselves are computed from all cells.
 */
export function thin(totals: CellFigures, noise: Noise | null, parts: CellParts): Thinning {
  const size = totals.work.length;
  if (size <= mostCells) return { part: { totals, noise }, next: () => false, errorScale: 1 };
  const sequence = parts.of(totals);
  const work = new Float64Array(mostCells);
  const part = {
    totals: { ...figureColumns(totals.models), work },
    noise: noise && noiseColumns(noise),
  };
  let drawn = 0;
  return {
    part,
    errorScale: Math.sqrt(mostCells / size),
    next() {
      const { entries, figures } = sequence.at(drawn++);
      for (const name of figureNames) part.totals[name].set(figures[name]);
      for (let k = 0; k < entries.length; k++) work[k] = totals.work[entries[k]!]!;
      if (noise !== null) fillNoise(part.noise!, noise, entries);
      return true;
    },
  };
}

const figureNames = [
  'model',
  'requests',
  'tokens',
  'promptPerRequest',
  'completionPerRequest',
  'logTokensPerRequest',
] as const;

function figureColumns(models: number): Omit<CellFigures, 'work'> {
  const numbers = () => new Float64Array(mostCells);
  return {
    model: new Uint32Array(mostCells),
    models,
    requests: numbers(),
    tokens: numbers(),
    promptPerRequest: numbers(),
    completionPerRequest: numbers(),
    logTokensPerRequest: numbers(),
  };
}

function noiseColumns(noise: Noise): Noise {
  const { drift } = noise;
  return {
    ...noise,
    cellSigma: new Float64Array(mostCells),
    ownSigma: new Float64Array(mostCells),
    drift: drift && { ...drift, share: new Float64Array(mostCells * drift.rounds) },
    attribution: noise.attribution && new Float64Array(mostCells),
  };
}

function fillNoise(into: Noise, from: Noise, entries: Uint32Array): void {
  for (let k = 0; k < entries.length; k++) {
    into.cellSigma[k] = from.cellSigma[entries[k]!]!;
    into.ownSigma[k] = from.ownSigma[entries[k]!]!;
    if (from.attribution !== null) into.attribution![k] = from.attribution[entries[k]!]!;
  }
  if (from.drift === null) return;
  const { rounds, share } = from.drift;
  for (let k = 0; k < entries.length; k++) {
    const row = entries[k]! * rounds;
    into.drift!.share.set(share.subarray(row, row + rounds), k * rounds);
  }
}
