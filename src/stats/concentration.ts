/**
 * How unevenly one amount (work) is spread over another (a bill). Arrays run in parallel, one entry per
 * cell; `copies` counts how often a cell enters (a bootstrap's multiplicities), once each where absent.
 * All measures are blind to scale on both sides. They are `NaN` where either side sums to 0.
 */
export type Amounts = ArrayLike<number>;

/**
 * Hoover index ½ Σ |w/Σw − b/Σb|: the share of the bill that would have to move for it to be
 * proportional to the work (Hoover 1936). 0 to 1.
 */
export function hoover(work: Amounts, bill: Amounts, copies?: Amounts): number {
  const [works, bills] = totals(work, bill, copies);
  let sum = 0;
  for (let i = 0; i < work.length; i++) {
    sum += (copies?.[i] ?? 1) * Math.abs(work[i]! / works - bill[i]! / bills);
  }
  return sum / 2;
}

/** Theil's T, Σ w/Σw · ln((w/Σw) / (b/Σb)): the divergence of the work shares from the bill shares, in nats. */
export function theil(work: Amounts, bill: Amounts, copies?: Amounts): number {
  const [works, bills] = totals(work, bill, copies);
  let sum = 0;
  for (let i = 0; i < work.length; i++) {
    const share = work[i]! / works;
    if (share > 0) sum += (copies?.[i] ?? 1) * share * Math.log(share / (bill[i]! / bills));
  }
  return sum;
}

/**
 * Gini coefficient of work against the bill: twice the area between the diagonal and the Lorenz curve.
 * `order` lists the cells by rising work per bill (see `orderBy`).
 */
export function gini(work: Amounts, bill: Amounts, order: Amounts, copies?: Amounts): number {
  const [works, bills] = totals(work, bill, copies);
  let reached = 0;
  let area = 0;
  for (let k = 0; k < order.length; k++) {
    const i = order[k]!;
    const times = copies?.[i] ?? 1;
    const step = (times * work[i]!) / works;
    area += ((times * bill[i]!) / bills) * (reached + step / 2);
    reached += step;
  }
  return 1 - 2 * area;
}

export interface LorenzPoint {
  /** Share of the bill, 0 to 1, of the cells that work least per token. */
  bill: number;
  /** Their share of the work. */
  work: number;
}

/**
 * The Lorenz curve, from (0, 0) to (1, 1): cells by rising work per bill, one point after each. Of more cells
 * than `mostPoints` only some are kept, evenly spaced along the bill, each of them on the curve.
 * `order` lists the cells by rising work per bill (see `orderBy`).
 */
export function lorenzCurve(
  work: Amounts,
  bill: Amounts,
  order: Amounts = orderBy(Float64Array.from({ length: work.length }, (_, i) => work[i]! / bill[i]!)),
  mostPoints = Number.POSITIVE_INFINITY,
): LorenzPoint[] {
  const [works, bills] = totals(work, bill);
  const points: LorenzPoint[] = [{ bill: 0, work: 0 }];
  const spacing = order.length < mostPoints ? 0 : 1 / (mostPoints - 2);
  let [billed, worked, next] = [0, 0, spacing];
  for (let k = 0; k < order.length; k++) {
    billed += bill[order[k]!]! / bills;
    worked += work[order[k]!]! / works;
    if (k === order.length - 1) points.push({ bill: 1, work: 1 });
    else if (billed >= next) {
      points.push({ bill: billed, work: worked });
      if (spacing > 0) next = spacing * (Math.floor(billed / spacing) + 1);
    }
  }
  return points;
}

/**
 * The positions of `keys` (no NaN among them) in rising order. Sorts the bare doubles with each position packed
 * into its lowest mantissa bits, an order of magnitude faster than sorting with a comparator; keys closer
 * than 2⁻³² of each other (for a million of them) may swap, which no measure here can see. `packed` is room for
 * that.
 */
export function orderBy(
  keys: Float64Array,
  order: Uint32Array = new Uint32Array(keys.length),
  packed: Float64Array = new Float64Array(keys.length),
): Uint32Array {
  const bits = Math.max(1, Math.ceil(Math.log2(Math.max(2, keys.length))));
  const mask = 2 ** bits - 1;
  const words = new Uint32Array(packed.buffer, packed.byteOffset, 2 * packed.length);
  for (let i = 0; i < keys.length; i++) {
    // An infinity with a payload would be a NaN, and sort by no order.
    packed[i] = Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, keys[i]!));
    const word = 2 * i + lowWord;
    words[word] = ((words[word]! & ~mask) | i) >>> 0;
  }
  packed.sort();
  for (let k = 0; k < keys.length; k++) order[k] = words[2 * k + lowWord]! & mask;
  return order;
}

const lowWord = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;

function totals(work: Amounts, bill: Amounts, copies?: Amounts): [number, number] {
  let works = 0;
  let bills = 0;
  for (let i = 0; i < work.length; i++) {
    const times = copies?.[i] ?? 1;
    works += times * work[i]!;
    bills += times * bill[i]!;
  }
  return [works, bills];
}
