import { rateFactor } from '../../core/records/arrivals.js';
import type { PlannedCell } from '../plan.js';

/** The id of a cell whose requests arrive at that rate, in requests per second. */
export const cellAtRate = (cell: string, rate: number): string => `${cell}/r${rate}`;

/** A cell once more, for the step of a sweep in which its requests arrive at that rate. */
export const atRate = (cell: PlannedCell, rate: number): PlannedCell => ({
  ...cell,
  id: cellAtRate(cell.id, rate),
  factors: { ...cell.factors, [rateFactor]: rate },
});
