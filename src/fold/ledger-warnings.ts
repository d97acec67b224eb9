import type { Warning } from '../core/codes.js';
import { checkLedger } from '../core/ledger-check.js';
import type { Conservation } from '../core/result.js';
import type { JournalRow } from '../journal/entry.js';

/**
 * Whether a run's ledger balances: one warning with numbers for each rule that does not hold. There is none
 * unless tokenwork itself is at fault, so CI fails on one.
 */
export function ledgerWarnings(
  rows: readonly JournalRow[],
  conservation: Readonly<Record<string, Conservation>>,
): Warning[] {
  return checkLedger({ conservation, requests: rows }).violations.map(({ rule, requests, example }) => ({
    code: 'ledger-mismatch',
    message: `The ledger does not balance: that ${rule} fails in ${requests} of ${rows.length} requests (${example}).`,
    hint: 'This is a fault in tokenwork: report it with the result, and do not trust figures by stage.',
  }));
}
