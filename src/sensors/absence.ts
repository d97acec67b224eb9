import type { AbsenceReason } from '../core/work.js';

/** What a sensor answers that cannot measure here. */
export interface Absence {
  reason: AbsenceReason;
  hint: string;
}
