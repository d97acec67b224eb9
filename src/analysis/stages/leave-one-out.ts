import { studentTCritical } from '../../stats/student-t.js';
import type { PlainToken } from '../plain-token.js';
import type { RequestTable } from '../requests/request-table.js';
import type { Design } from '../statistic.js';

/** Requests dealt into groups, to be left out one group at a time. */
export interface Groups {
  /** Per request. */
  of: Uint32Array;
  count: number;
}

/** A figure, and the same without each group in turn; `null` where groups are too few, or one leaves it undetermined. */
export interface Jackknifed {
  value: number;
  without: number[] | null;
}

const mostGroups = 20;
/** Of a population; of rounds, two show how they differ. */
const fewestCells = 3;

/**
 * The groups that show a figure's error: rounds, where the cells are given and noise alone is random, and cells where
 * they are a sample. `ran` marks requests that the figure is about. `null` for too few.
 */
export function groupsFor(
  { cell, round, rounds, repetition }: RequestTable,
  ran: Uint8Array,
  design: Design,
): Groups | null {
  const keys = design === 'sampled' ? cell : rounds > 1 ? round : repetition;
  const seen = new Map<number, number>();
  for (let i = 0; i < ran.length; i++) {
    if (ran[i] === 1 && !seen.has(keys[i]!)) seen.set(keys[i]!, seen.size % mostGroups);
  }
  if (seen.size < (design === 'sampled' ? fewestCells : 2)) return null;
  return { of: keys.map((key) => seen.get(key) ?? mostGroups), count: Math.min(mostGroups, seen.size) };
}

/**
 * How far a 95% interval reaches each way, by what leaving out a group at a time changes (Quenouille 1956; the
 * delete-group jackknife of Kott 2001): Student's t with one degree of freedom less than there are groups.
 */
export function jackknifeReach({ without }: Jackknifed): number | null {
  if (without === null) return null;
  const mean = without.reduce((sum, one) => sum + one, 0) / without.length;
  const squares = without.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const freedom = without.length - 1;
  return studentTCritical(0.025, freedom) * Math.sqrt((freedom / without.length) * squares);
}

/** A request's plain token by one metric, with its error. */
export interface PlainTokens {
  groups: Groups | null;
  /** Work of a plain token of the request's model; as seen without a group where one is named. */
  of(request: number, group: number | null): number;
  /** Relative, how far its own interval reaches where leaving out groups does not show it; the largest of several. */
  reach(requests: Uint32Array): number;
}

/** Rounds slow a request and its reference alike, and are left out of both; cells of a sample are not of the reference. */
export function plainTokens(
  table: RequestTable,
  work: Float64Array,
  { byModel }: PlainToken,
  { design, groups }: { design: Design; groups: Groups | null },
): PlainTokens {
  const { cell, cells, modelOfCell, models } = table;
  const known = models.map((model) => byModel[model]);
  const modelOf = (i: number) => modelOfCell[cell[i]!]!;
  if (design === 'sampled' || groups === null) {
    return {
      groups,
      of: (i) => known[modelOf(i)]?.value ?? Number.NaN,
      reach: (requests) =>
        Math.max(0, ...[...new Set(Array.from(requests, modelOf))].map((m) => reachOf(known[m]))),
    };
  }
  const { of, count } = groups;
  const sums = () => models.map(() => new Float64Array(count + 1));
  const [worked, tokens] = [sums(), sums()];
  for (let i = 0; i < cell.length; i++) {
    const model = modelOf(i);
    if (cells[cell[i]!]!.id !== known[model]?.cell || Number.isNaN(work[i]!)) continue;
    const group = Math.min(count, of[i]!);
    worked[model]![group]! += work[i]!;
    tokens[model]![group]! += table.promptTokens[i]! + table.completionTokens[i]!;
  }
  const without = models.map((_, model) =>
    Array.from(
      { length: count },
      (__, group) => restOf(worked[model]!, group) / restOf(tokens[model]!, group),
    ),
  );
  return {
    groups,
    of: (i, group) =>
      group === null ? (known[modelOf(i)]?.value ?? Number.NaN) : without[modelOf(i)]![group]!,
    reach: () => 0,
  };
}

function restOf(sums: Float64Array, group: number): number {
  return sums.reduce((total, own, k) => (k === group ? total : total + own), 0);
}

function reachOf(plain: PlainToken['byModel'][string] | undefined): number {
  return plain === undefined || plain.low === null || plain.high === null
    ? 0
    : Math.sqrt(plain.high / plain.low) - 1;
}
