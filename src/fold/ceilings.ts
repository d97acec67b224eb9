import type { Ceilings } from '../core/result.js';
import type { JournalEntry, JournalHeader } from '../journal/entry.js';

/** The larger of each ceiling that was measured before and after the requests. */
export function ceilingsOf({ hardware }: JournalHeader, entries: readonly JournalEntry[]): Ceilings | null {
  return entries.reduce(
    (best, entry) => (entry.kind === 'ceilings' ? largerCeilings(best, entry.ceilings) : best),
    hardware.ceilings,
  );
}

/** Fields that say why figures are too low. */
const marks = ['othersCores', 'withheldCores', 'thermalThrottles'] as const;

/**
 * The larger of each figure. A machine's other load, or a throttled clock, only ever lowers what is
 * measured, so of two looks the larger is nearer the ceiling.
 */
export function largerCeilings(one: Ceilings | null, other: Ceilings | null): Ceilings | null {
  if (one === null || other === null) return one ?? other;
  // A look at a quiet machine is at least as near the ceiling as one at a busy one.
  const { othersCores: _others, withheldCores: _withheld, thermalThrottles: _throttles, ...rest } = one;
  const both = marks.map((mark) => [mark, Math.min(one[mark] ?? 0, other[mark] ?? 0)] as const);
  const names = [...new Set([...Object.keys(one.gemm), ...Object.keys(other.gemm)])];
  return {
    ...rest,
    ...Object.fromEntries(both.filter(([, least]) => least > 0)),
    memoryBandwidth: larger(one.memoryBandwidth, other.memoryBandwidth),
    gemm: Object.fromEntries(names.map((name) => [name, larger(one.gemm[name], other.gemm[name])!])),
  };
}

function larger<Figure extends { value: number } | null | undefined>(one: Figure, other: Figure): Figure {
  return (other?.value ?? 0) > (one?.value ?? 0) ? other : one;
}
