import { addsUp, checkRequest, checkRun, type RequestAccount, type RunAccount } from './ledger-rules.js';
import { additiveMetrics, type WorkMetric } from './metrics.js';

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
  /** How many requests break it; 1 for the run as a whole. */
  requests: number;
  /** The first of them, with its figures. */
  example: string;
}

/** A run with rows of any kind: of a journal or a result. */
type CheckedRun = Omit<RunAccount, 'requests'> & {
  requests: readonly (RunAccount['requests'][number] & { id: number } & (
      | RequestAccount
      | { stages?: never }
    ))[];
};

/**
 * Every rule of the ledger (ledger-rules.ts), for a run while its result is written and for any result that
 * is read. Requests without stages, and metrics that a stage did not measure, cannot be added up and are
 * not.
 */
export function checkLedger(run: CheckedRun): LedgerCheck {
  const violations = new Map<string, LedgerViolation>();
  const metrics = new Set<WorkMetric>();
  let requests = 0;
  for (const request of run.requests) {
    if (request.stages === undefined) continue;
    const broken = new Set<string>();
    checkRequest(request, (rule, found, expected) => {
      const known = violations.get(rule);
      if (known === undefined) {
        const example = `request ${request.id}: ${found} against ${expected}`;
        violations.set(rule, { rule, requests: 1, example });
      } else if (!broken.has(rule)) known.requests++;
      broken.add(rule);
    });
    if (request.stages.length === 0) continue;
    requests++;
    for (const metric of additiveMetrics()) {
      if (!metrics.has(metric) && addsUp(metric, request)) metrics.add(metric);
    }
  }
  checkRun(run, (rule, found, expected) => {
    violations.set(rule, { rule, requests: 1, example: `${found} against ${expected}` });
  });
  return {
    requests,
    metrics: additiveMetrics().filter((metric) => metrics.has(metric)),
    violations: [...violations.values()],
  };
}
