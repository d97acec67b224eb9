import { WaitingTally } from '../core/busy-machine.js';
import type { Warning } from '../core/codes.js';
import { LedgerAudit } from '../core/ledger-check.js';
import { metricOf } from '../core/metrics.js';
import type { Conservation } from '../core/result.js';
import type { JournalHeader, JournalRow } from '../journal/entry.js';
import { ServedChecks } from './served-warnings.js';

const losable = ['energy', 'gpuTime'] as const;

/** What a result says of all of its rows, which are added one by one and none of them kept. */
export class RowTally {
  rows = 0;
  readonly waited = new WaitingTally();
  readonly served: ServedChecks;
  readonly #ledger = new LedgerAudit();
  readonly #failures = new Map<string, { count: number; message: string }>();
  readonly #lost = { energy: 0, gpuTime: 0 };

  constructor(cells: JournalHeader['cells']) {
    this.served = new ServedChecks(cells);
  }

  add(row: JournalRow): void {
    this.rows++;
    this.waited.add(row);
    this.#ledger.add(row);
    const { outcome } = row;
    if (outcome.status === 'failed') {
      const count = (this.#failures.get(outcome.code)?.count ?? 0) + 1;
      this.#failures.set(outcome.code, { count, message: outcome.message });
    }
    if (!('stages' in row)) return;
    for (const metric of losable) if (row.absent?.[metric] === 'lost') this.#lost[metric]++;
    this.served.add(row);
  }

  /** One warning per way of failing. */
  failures(): Warning[] {
    return [...this.#failures].map(([code, { count, message }]) => ({
      code: 'requests-failed',
      message: `${count} of ${this.rows} requests failed with ${code}: ${message}`,
      hint: 'They are rows of the result with their reason, and in no figure.',
    }));
  }

  /**
   * Whether a run's ledger balances: one warning with numbers for each rule that does not hold. There is none
   * unless tokenwork itself is at fault, so CI fails on one.
   */
  ledgerWarnings(conservation: Readonly<Record<string, Conservation>>): Warning[] {
    return this.#ledger.finish(conservation).violations.map(({ rule, requests, example }) => ({
      code: 'ledger-mismatch',
      message: `The ledger does not balance: that ${rule} fails in ${requests} of ${this.rows} requests (${example}).`,
      hint: 'This is a fault in tokenwork: report it with the result, and do not trust figures by stage.',
    }));
  }

  /** Requests without a figure because its sensor gave nothing, or nonsense, while they ran. */
  lostFigures(): Warning[] {
    return losable.flatMap((metric) => {
      const lost = this.#lost[metric];
      if (lost === 0) return [];
      return [
        {
          code: 'figures-lost',
          message: `${lost} of ${this.rows} requests have no ${metricOf(metric).label}: its sensor gave nothing that can be true at some moment while they ran.`,
          hint: 'The other requests have theirs. Look at the sensor with: tokenwork doctor',
        },
      ];
    });
  }
}
