import type { Random } from '../stats/random.js';
import type { CellFigures } from './cell-totals.js';
import type { Noise } from './within-cell-noise.js';

/** What is resampled: all cells, or, of very many, a random part that is drawn anew each time. */
export interface Part {
  totals: CellFigures;
  noise: Noise | null;
}

export interface Thinning {
  /** Where the resample's cells are found: the same arrays each time, filled anew. */
  part: Part;
  /** Draws the next resample's cells; false where all are taken, and stay as they are. */
  next(): boolean;
  /** A part's standard error times this is the whole's: √(m/n). 1 where all cells are taken. */
  errorScale: number;
}

/** Cells beyond which a part of them shows as well how far a statistic spreads. */
export const mostCells = 4000;

/**
 * The m-out-of-n bootstrap (Bickel, Götze & van Zwet 1997), which keeps findings on a million requests as
 * quick as on a thousand: how far a statistic spreads, and how far noise biases it, is seen on m of n cells
 * and scaled. The statistics themselves are computed from all cells.
 */
export function thin(totals: CellFigures, noise: Noise | null, random: Random): Thinning {
  const size = totals.work.length;
  if (size <= mostCells) return { part: { totals, noise }, next: () => false, errorScale: 1 };
  const entries = new Uint32Array(size);
  for (let c = 0; c < size; c++) entries[c] = c;
  const chosen = entries.subarray(0, mostCells);
  const part = { totals: figureColumns(totals.models), noise: noise && noiseColumns(noise) };
  return {
    part,
    errorScale: Math.sqrt(mostCells / size),
    next() {
      // The first m of a shuffle; what earlier calls left is as good a start as any.
      for (let k = 0; k < mostCells; k++) {
        const other = k + random.below(size - k);
        const taken = entries[other]!;
        entries[other] = entries[k]!;
        entries[k] = taken;
      }
      fillFigures(part.totals, totals, chosen);
      if (noise !== null) fillNoise(part.noise!, noise, chosen);
      return true;
    },
  };
}

function figureColumns(models: number): CellFigures {
  const numbers = () => new Float64Array(mostCells);
  return {
    model: new Uint32Array(mostCells),
    models,
    requests: numbers(),
    work: numbers(),
    tokens: numbers(),
    promptPerRequest: numbers(),
    completionPerRequest: numbers(),
    logTokensPerRequest: numbers(),
  };
}

/** All columns in one loop, so that the far-apart reads of an entry overlap. */
function fillFigures(into: CellFigures, from: CellFigures, entries: Uint32Array): void {
  for (let k = 0; k < entries.length; k++) {
    const c = entries[k]!;
    into.model[k] = from.model[c]!;
    into.requests[k] = from.requests[c]!;
    into.work[k] = from.work[c]!;
    into.tokens[k] = from.tokens[c]!;
    into.promptPerRequest[k] = from.promptPerRequest[c]!;
    into.completionPerRequest[k] = from.completionPerRequest[c]!;
    into.logTokensPerRequest[k] = from.logTokensPerRequest[c]!;
  }
}

function noiseColumns(noise: Noise): Noise {
  const { drift } = noise;
  return {
    ...noise,
    cellSigma: new Float64Array(mostCells),
    drift: drift && { ...drift, share: new Float64Array(mostCells * drift.rounds) },
  };
}

function fillNoise(into: Noise, from: Noise, entries: Uint32Array): void {
  for (let k = 0; k < entries.length; k++) into.cellSigma[k] = from.cellSigma[entries[k]!]!;
  if (from.drift === null) return;
  const { rounds, share } = from.drift;
  for (let k = 0; k < entries.length; k++) {
    const row = entries[k]! * rounds;
    into.drift!.share.set(share.subarray(row, row + rounds), k * rounds);
  }
}
