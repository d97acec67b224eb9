/**
 * bench/self holds the harness's benchmarks of itself: what tokenwork claims about its own speed and
 * overhead, each measured as a ratio of two things run alternately in one process where it is one.
 */

/** What a figure must reach; `comparison` says on which side of the target it has to lie. */
export interface Target {
  target: number | [low: number, high: number];
  comparison: '>=' | '<=' | 'within';
}

export interface Measured {
  value: number;
  /** Quartiles of the single measurements behind `value`. */
  spread: [low: number, high: number] | null;
}

/** One line of `npm run bench:self`. */
export interface Figure extends Target {
  id: string;
  what: string;
  /** Why this machine cannot measure it; a function where finding out takes a while. */
  unavailable?: string | null | (() => Promise<string | null>);
  measure(say: (text: string) => void): Promise<Measured>;
}

export interface FigureResult extends Target, Measured {
  id: string;
  what: string;
  met: boolean;
}

export function isMet(value: number, { target, comparison }: Target): boolean {
  if (Array.isArray(target)) return value >= target[0] && value <= target[1];
  return comparison === '>=' ? value >= target : value <= target;
}
