import { conditionNumber } from '../../../stats/regression/condition.js';
import { type Design, type RegressorName, workKinds } from './design.js';

/** From here on regressors can hardly be told apart (Belsley, Kuh & Welsch 1980, Regression Diagnostics, ch. 3). */
const worstCondition = 30;
const windowsPerRegressor = 8;
/** Those that may leave; what is left of equal ones leaves in this order. */
const droppable: readonly RegressorName[] = ['step', 'prefillAttention', 'decodeContext'];
/** Idle time of a smaller share of all than this has no cost that could be told. */
const leastIdle = 0.005;

interface Choice {
  names: RegressorName[];
  /** In the order of leaving. */
  dropped: RegressorName[];
  condition: number;
}

/**
 * The regressors that the windows tell apart. While they do not, or are too many for the windows, of steps, prefill
 * attention and decode context that one leaves without which the others are told apart best: one that another stands
 * for. Prefill and decode tokens must be told apart, or nothing is; says so.
 */
export function chooseRegressors(design: Design, rows: readonly number[]): Choice | string {
  const { startNs, endNs, idleNs } = design.windows;
  const sum = (values: ArrayLike<number>) => rows.reduce((total, at) => total + values[at]!, 0);
  const spanNs = sum(endNs) - sum(startNs);
  let names = (['idle', ...workKinds] as RegressorName[]).filter((name) =>
    name === 'idle' ? sum(idleNs) > leastIdle * spanNs : sum(columnOf(name, design)) > 0,
  );
  const all = names;
  const products = sumOf(windowProducts(rows, all, design), Uint32Array.from(rows.keys()), all.length);
  const conditionOf = (of: readonly RegressorName[]) =>
    conditionNumber(
      pick(
        products.gram,
        of.map((name) => all.indexOf(name)),
      ),
    );
  const dropped: RegressorName[] = [];
  for (;;) {
    const condition = conditionOf(names);
    const fits = rows.length >= windowsPerRegressor * names.length;
    if (condition <= worstCondition && fits) return { names, dropped, condition };
    const without = droppable
      .filter((name) => names.includes(name))
      .map((name) => ({ name, condition: conditionOf(names.filter((other) => other !== name)) }));
    const best = without.find((one) => without.every((other) => one.condition <= other.condition));
    if (best === undefined) {
      return fits
        ? `Prompts and completions ran in the same proportion in all windows (condition number ${condition.toPrecision(2)}, of at most ${worstCondition}): mix their lengths, or send fewer requests at a time.`
        : `${rows.length} windows are too few for ${names.length} kinds of work: send more requests, or read the counter more often.`;
    }
    dropped.push(best.name);
    names = names.filter((name) => name !== best.name);
  }
}

const columnOf = (name: RegressorName, { windows, totals }: Design): ArrayLike<number> =>
  name === 'idle' ? windows.idleNs : totals[workKinds.indexOf(name)]!;

/** Sums over windows, each weighing 1 ÷ its length: of the columns with each other, and with the counter's amount. */
interface Products {
  gram: number[][];
  moments: number[];
}

/** Of each window: the lower triangle of its columns' products, then those with the amount. */
export function windowProducts(
  rows: readonly number[],
  names: readonly RegressorName[],
  design: Design,
): Float64Array[] {
  const { amount, startNs, endNs } = design.windows;
  const columns = names.map((name) => columnOf(name, design));
  const size = columns.length;
  return rows.map((at) => {
    const weight = 1 / (endNs[at]! - startNs[at]!);
    const products = new Float64Array((size * (size + 1)) / 2 + size);
    let k = 0;
    for (let a = 0; a < size; a++) {
      for (let b = 0; b <= a; b++) products[k++] = weight * columns[a]![at]! * columns[b]![at]!;
    }
    for (const column of columns) products[k++] = weight * column[at]! * amount[at]!;
    return products;
  });
}

export function sumOf(products: readonly Float64Array[], indices: Uint32Array, size: number): Products {
  const sum = new Float64Array((size * (size + 1)) / 2 + size);
  for (const index of indices) {
    const of = products[index]!;
    for (let k = 0; k < sum.length; k++) sum[k]! += of[k]!;
  }
  const gram = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  let k = 0;
  for (let a = 0; a < size; a++) {
    for (let b = 0; b <= a; b++) {
      gram[a]![b] = sum[k]!;
      gram[b]![a] = sum[k++]!;
    }
  }
  return { gram, moments: [...sum.subarray(k)] };
}

const pick = (gram: readonly (readonly number[])[], chosen: readonly number[]) =>
  chosen.map((a) => chosen.map((b) => gram[a]![b]!));
