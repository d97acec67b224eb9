import { isOk, type OkRequest, type Result } from '../core/result.js';
import { additiveMetrics, type WorkMetric } from '../core/work.js';

/** Whether a result's books balance. */
export interface LedgerCheck {
  /** Requests whose stages were added up. */
  requests: number;
  /** The metrics whose stages were added up in every request that has them. */
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

/** A clock's readings are exact to this; sums of binary fractions to a millionth. */
const clockResolutionNs = 1000;
const rounding = 1e-6;

/**
 * Adds up the ledger: stages to their request, in every metric and in tokens; requests to the run; and
 * that nothing is counted twice (cached ⊂ prompt, reasoning ⊂ completion). Requests without stages, and
 * metrics that a stage did not measure, cannot be checked and are not.
 */
export function checkLedger(result: Result): LedgerCheck {
  const violations = new Map<string, LedgerViolation>();
  const violate = (rule: string, example: string) => {
    const known = violations.get(rule);
    if (known === undefined) violations.set(rule, { rule, requests: 1, example });
    else known.requests++;
  };
  const metrics = new Set<WorkMetric>();
  let requests = 0;
  for (const request of result.requests) {
    if (!isOk(request)) continue;
    checkTokens(request, violate);
    if (request.stages.length === 0) continue;
    requests++;
    checkStages(request, violate, metrics);
  }
  checkRun(result, violate);
  return {
    requests,
    metrics: additiveMetrics.filter((metric) => metrics.has(metric)),
    violations: [...violations.values()],
  };
}

type Violate = (rule: string, example: string) => void;

function checkTokens({ id, tokens }: OkRequest, violate: Violate): void {
  const { prompt, completion, cached, reasoning, hidden, processed } = tokens;
  const rule = (holds: boolean, name: string, example: string) => {
    if (!holds) violate(name, `request ${id}: ${example}`);
  };
  rule(cached <= prompt, 'cached tokens are part of the prompt', `${cached} cached of ${prompt}`);
  rule(
    reasoning <= completion,
    'reasoning tokens are part of the completion',
    `${reasoning} reasoning of ${completion}`,
  );
  rule(
    hidden === processed - prompt - completion,
    'hidden tokens are those processed less those billed',
    `${hidden} hidden, ${processed} processed, ${prompt + completion} billed`,
  );
}

function checkStages(request: OkRequest, violate: Violate, metrics: Set<WorkMetric>): void {
  const { id, stages, tokens, work } = request;
  const sums = { processed: 0, billed: 0, cached: 0 };
  for (const stage of stages) {
    sums.processed += stage.tokens;
    sums.billed += stage.billed;
    sums.cached += stage.cached ?? 0;
  }
  const equal = (rule: string, sum: number, whole: number, slack = 0) => {
    if (Math.abs(sum - whole) <= slack) return;
    violate(rule, `request ${id}: its stages sum to ${sum}, the request has ${whole}`);
  };
  equal('processed tokens of stages add up to the request', sums.processed, tokens.processed);
  equal('billed tokens of stages add up to the request', sums.billed, tokens.prompt + tokens.completion);
  equal('cached tokens of stages add up to the request', sums.cached, tokens.cached);
  for (const metric of additiveMetrics) {
    const whole = work[metric];
    if (whole === null) continue;
    let sum = 0;
    for (const stage of stages) sum += stage.work[metric] ?? Number.NaN;
    if (Number.isNaN(sum)) continue;
    metrics.add(metric);
    const isTime = metric === 'cpuTime' || metric === 'gpuTime';
    const slack = Math.max(rounding * whole, isTime ? clockResolutionNs : 0);
    equal(`${metric} of stages adds up to the request`, sum, whole, slack);
  }
}

/** Successful or not, requests add up to what the run says of them; and the run's parts to its whole. */
function checkRun({ conservation, requests }: Result, violate: Violate): void {
  for (const [name, { total, requests: ofRequests, idle, unattributed }] of Object.entries(conservation)) {
    const slack = Math.max(rounding * Math.abs(total), clockResolutionNs * requests.length);
    const parts = ofRequests + idle + unattributed;
    if (Math.abs(parts - total) > slack) {
      violate(`${name} of requests, idle and unattributed adds up to the run`, `${parts} of ${total}`);
    }
    if (name !== 'cpuTime') continue;
    const sum = requests.reduce((all, { work }) => all + (work?.cpuTime ?? 0), 0);
    if (Math.abs(sum - ofRequests) > slack) {
      violate(
        'CPU time of requests adds up to the run',
        `requests sum to ${sum}, the run says ${ofRequests}`,
      );
    }
  }
}
