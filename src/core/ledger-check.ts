import {
  addsUp,
  type ChargedRequest,
  Charges,
  checkRequest,
  checkRun,
  type RequestAccount,
} from './ledger-rules.js';
import { additiveMetrics, type WorkMetric } from './metrics.js';
import type { Conservation } from './result.js';

/** Whether a run's books balance. */
export interface LedgerCheck {
  /** Requests whose stages were added up. */
  requests: number;
  /** The metrics that were added up in some of them: every stage had measured it. */
  metrics: WorkMetric[];
  violations: LedgerViolation[];
}

/** A rule that some requests break; figures by stage are then not to be trusted in that respect. */
interface LedgerViolation {
  rule: string;
  /** Requests that break it; 1 for the run as a whole. */
  requests: number;
  /** The first of them, with its figures. */
  example: string;
}

/** A row of any kind: of a journal or a result, of a request that succeeded or not. */
type CheckedRequest = ChargedRequest & { id: number } & (RequestAccount | { stages?: never });

/**
 * Every rule of the ledger (ledger-rules.ts), request by request. Requests without stages, and metrics that a
 * stage did not measure, cannot be added up and are not.
 */
export class LedgerAudit {
  readonly #violations = new Map<string, LedgerViolation>();
  readonly #metrics = new Set<WorkMetric>();
  readonly #charges = new Charges();
  #requests = 0;

  add(request: CheckedRequest): void {
    this.#charges.add(request);
    if (request.stages === undefined) return;
    const broken = new Set<string>();
    checkRequest(request, (rule, found, expected) => {
      const known = this.#violations.get(rule);
      if (known === undefined) {
        const example = `request ${request.id}: ${found} against ${expected}`;
        this.#violations.set(rule, { rule, requests: 1, example });
      } else if (!broken.has(rule)) known.requests++;
      broken.add(rule);
    });
    if (request.stages.length === 0) return;
    this.#requests++;
    for (const metric of additive) {
      if (!this.#metrics.has(metric) && addsUp(metric, request)) this.#metrics.add(metric);
    }
  }

  /** The verdict, with the run's own accounts beside what its requests were charged with. */
  finish(conservation: Readonly<Record<string, Conservation>>): LedgerCheck {
    checkRun(conservation, this.#charges, (rule, found, expected) => {
      this.#violations.set(rule, { rule, requests: 1, example: `${found} against ${expected}` });
    });
    return {
      requests: this.#requests,
      metrics: additive.filter((metric) => this.#metrics.has(metric)),
      violations: [...this.#violations.values()],
    };
  }
}

const additive = additiveMetrics();

/** The audit of a run whose rows are at hand. */
export function checkLedger(run: {
  conservation: Readonly<Record<string, Conservation>>;
  requests: readonly CheckedRequest[];
}): LedgerCheck {
  const audit = new LedgerAudit();
  for (const request of run.requests) audit.add(request);
  return audit.finish(run.conservation);
}
