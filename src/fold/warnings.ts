import type { Warning } from '../core/codes.js';
import type { RecordedWarning } from '../core/result.js';
import type { JournalEntry, JournalHeader } from '../journal/entry.js';
import type { RowTally } from './row-tally.js';

/** Everything that a journal warns of, but for its samples and its ledger. */
export function warningsOf(
  header: JournalHeader,
  entries: readonly JournalEntry[],
  tally: RowTally,
): RecordedWarning[] {
  const resumes = entries.filter((entry) => entry.kind === 'resumed');
  return [
    ...header.warnings,
    ...resumes.flatMap((entry) => (entry.kind === 'resumed' ? entry.warnings : [])),
    ...(resumes.length > 0 ? [resumedWarning(resumes.length)] : []),
    ...tally.failures(),
    ...unsettledWarnings(entries),
    ...entries.flatMap((entry) => (entry.kind === 'sent' ? entry.warnings : [])),
    ...tally.served.warnings(),
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
