import type { AbsenceReason } from '../core/work.js';

/** The answer of a sensor that cannot measure here. */
export interface Absence {
  reason: AbsenceReason;
  hint: string;
}
