import { orderBy } from '../../stats/concentration.js';
import type { CellFigures } from './cell-totals.js';

/**
 * Cells as a statistic sees them: work beside the bill. The bill is the simplest tariff, one price per
 * token, each model at its own (prices are per model everywhere): its tokens at the price that makes the
 * model's bill equal its work. With one model it is proportional to the tokens.
 */
export interface CellSample {
  totals: CellFigures;
  work: Float64Array;
  bill: Float64Array;
  /** Work per unit of bill: 1 is a cell that pays what it costs. */
  rate: Float64Array;
  /** Requests per cell, with multiplicity: the cell's weight wherever cells are averaged. */
  weight: Float64Array;
  /** Times that each cell entered a bootstrap's resample; absent where each is there once. */
  copies: Float64Array | undefined;
  /** Price per token, by model. */
  price: Float64Array;
  /** Positions by rising rate. */
  order(): Uint32Array;
}

/** A sample that can be filled again and again without allocating. */
export interface SampleBuffer {
  /**
   * With `work` in place of the measured totals, or with `copies` of each cell; `order` is passed where it
   * is known, as with copies of one model's cells, whose rates keep their order.
   */
  fill(work: Float64Array, copies?: Float64Array, order?: Uint32Array): CellSample;
}

export function sampleBuffer(totals: CellFigures): SampleBuffer {
  const { model, tokens, requests } = totals;
  const size = tokens.length;
  const [bill, rate, weight] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)];
  const [worked, billed] = [new Float64Array(totals.models), new Float64Array(totals.models)];
  const price = new Float64Array(totals.models);
  const [order, packed] = [new Uint32Array(size), new Float64Array(size)];
  return {
    fill(work, copies, knownOrder) {
      worked.fill(0);
      billed.fill(0);
      for (let i = 0; i < size; i++) {
        const times = copies === undefined ? 1 : copies[i]!;
        const own = model[i]!;
        worked[own]! += times * work[i]!;
        billed[own]! += times * tokens[i]!;
        weight[i] = times * requests[i]!;
      }
      for (let own = 0; own < price.length; own++) {
        price[own] = billed[own] === 0 ? 0 : worked[own]! / billed[own]!;
      }
      for (let i = 0; i < size; i++) {
        bill[i] = tokens[i]! * price[model[i]!]!;
        rate[i] = bill[i] === 0 ? 0 : work[i]! / bill[i]!;
      }
      let sorted = false;
      return {
        totals,
        work,
        bill,
        rate,
        weight,
        copies,
        price,
        order: () => {
          if (knownOrder !== undefined) return knownOrder;
          if (!sorted) orderBy(rate, order, packed);
          sorted = true;
          return order;
        },
      };
    },
  };
}
