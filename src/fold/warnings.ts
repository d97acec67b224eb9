import type { Warning } from '../core/codes.js';
import { checkLedger } from '../core/ledger-check.js';
import { metricOf } from '../core/metrics.js';
import type { Conservation, RecordedWarning } from '../core/result.js';
import type { JournalEntry, JournalHeader, JournalRow } from '../journal/entry.js';
import { servedWarnings } from './served-warnings.js';

/** Everything that a journal warns of, but for its samples. */
export function warningsOf(
  header: JournalHeader,
  entries: readonly JournalEntry[],
  rows: readonly JournalRow[],
): RecordedWarning[] {
  const resumes = entries.filter((entry) => entry.kind === 'resumed');
  return [
    ...header.warnings,
    ...resumes.flatMap((entry) => (entry.kind === 'resumed' ? entry.warnings : [])),
    ...(resumes.length > 0 ? [resumedWarning(resumes.length)] : []),
    ...failureWarnings(rows),
    ...unsettledWarnings(entries),
    ...entries.flatMap((entry) => (entry.kind === 'sent' ? entry.warnings : [])),
    ...servedWarnings(header.cells, rows),
  ];
}

function resumedWarning(times: number): Warning {
  return {
    code: 'resumed',
    message: `The run was interrupted and taken up again ${times === 1 ? 'once' : `${times} times`}.`,
    hint: 'Times count from its start, the interruptions left out. Repeat it in one go where drift matters.',
  };
}

function unsettledWarnings(entries: readonly JournalEntry[]): Warning[] {
  return entries.flatMap((entry) =>
    entry.kind === 'warmup' && entry.coldStart?.settled === false
      ? [
          {
            code: 'warm-up-unsettled',
            message: `${entry.model} was measured although ${entry.coldStart.passes} warm-up passes had not come to take equally long.`,
            hint: 'Its first requests may still hold compiling or a clock that rises; run it again, on a quieter machine.',
          },
        ]
      : [],
  );
}

/** One warning per way of failing. */
function failureWarnings(rows: readonly JournalRow[]): Warning[] {
  const byCode = new Map<string, { count: number; message: string }>();
  for (const { outcome } of rows) {
    if (outcome.status === 'ok') continue;
    const count = (byCode.get(outcome.code)?.count ?? 0) + 1;
    byCode.set(outcome.code, { count, message: outcome.message });
  }
  return [...byCode].map(([code, { count, message }]) => ({
    code: 'requests-failed',
    message: `${count} of ${rows.length} requests failed with ${code}: ${message}`,
    hint: 'They are rows of the result with their reason, and in no figure.',
  }));
}

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

/** Requests without a figure because its sensor gave nothing, or nonsense, while they ran. */
export function lostFigures(rows: readonly JournalRow[]): Warning[] {
  return (['energy', 'gpuTime'] as const).flatMap((metric) => {
    const lost = rows.filter((row) => 'absent' in row && row.absent?.[metric] === 'lost').length;
    if (lost === 0) return [];
    return [
      {
        code: 'figures-lost',
        message: `${lost} of ${rows.length} requests have no ${metricOf(metric).label}: its sensor gave nothing that can be true at some moment while they ran.`,
        hint: 'The other requests have theirs. Look at the sensor with: tokenwork doctor',
      },
    ];
  });
}
