import type { Warning } from '../core/result.js';
import { type LedgerMismatch, ledgerMismatches } from '../stages/ledger-check.js';
import type { JournalRow } from './journal-entry.js';

/**
 * Whether every request is the sum of its stages: one warning with numbers for each thing in which some
 * are not. There is none unless tokenwork itself is at fault, so CI fails on one.
 */
export function ledgerWarnings(rows: readonly JournalRow[]): Warning[] {
  const found = new Map<string, { id: number; mismatch: LedgerMismatch; count: number }>();
  for (const row of rows) {
    if (!('stages' in row) || row.stages.length === 0) continue;
    for (const mismatch of ledgerMismatches(row)) {
      const before = found.get(mismatch.what);
      if (before) before.count++;
      else found.set(mismatch.what, { id: row.id, mismatch, count: 1 });
    }
  }
  return [...found.values()].map(({ id, mismatch, count }) => ({
    code: 'ledger-mismatch',
    message: `The stages of ${count} of ${rows.length} requests do not add up to the request in ${mismatch.what}: ${mismatch.stages} against ${mismatch.request} in request ${id}.`,
    hint: 'This is a fault in tokenwork: report it with the result, and do not trust figures by stage.',
  }));
}
