import type { Random } from '../stats/random.js';
import { type CellTotals, pickCells, pickNumbers } from './cell-totals.js';
import type { Noise } from './within-cell-noise.js';

/** What is resampled: all cells, or, of very many, a random part that is drawn anew each time. */
export interface Part {
  totals: CellTotals;
  noise: Noise | null;
}

export interface Thinning {
  /** The next resample's cells. */
  next(): Part;
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
export function thin(totals: CellTotals, noise: Noise | null, random: Random): Thinning {
  const size = totals.work.length;
  if (size <= mostCells) return { next: () => ({ totals, noise }), errorScale: 1 };
  const entries = Uint32Array.from({ length: size }, (_, c) => c);
  return {
    errorScale: Math.sqrt(mostCells / size),
    next() {
      // The first m of a shuffle; what earlier calls left is as good a start as any.
      for (let k = 0; k < mostCells; k++) {
        const other = k + random.below(size - k);
        [entries[k], entries[other]] = [entries[other]!, entries[k]!];
      }
      const chosen = entries.subarray(0, mostCells);
      return { totals: pickCells(totals, chosen), noise: noise && pickNoise(noise, chosen) };
    },
  };
}

function pickNoise(noise: Noise, entries: Uint32Array): Noise {
  const { drift } = noise;
  return {
    ...noise,
    cellSigma: pickNumbers(noise.cellSigma, entries),
    drift: drift && { ...drift, share: pickRows(drift.share, drift.rounds, entries) },
  };
}

function pickRows(table: Float64Array, width: number, rows: Uint32Array): Float64Array {
  const picked = new Float64Array(rows.length * width);
  for (const [k, row] of rows.entries())
    picked.set(table.subarray(row * width, (row + 1) * width), k * width);
  return picked;
}
