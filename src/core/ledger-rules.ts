import { additiveMetrics, type WorkMetric, workMetricNames } from './metrics.js';
import type { Conservation, OkRequest, Stage } from './result.js';
import type { Work } from './work.js';

/** The part of a request that its ledger is: of a row of a result, or of a request that has just ended. */
export interface RequestAccount extends Pick<OkRequest, 'tokens' | 'stages'> {
  work: Partial<Work>;
  times: { started: number; ended?: number | undefined };
}

/** A request as the run's accounts see it, successful or not: what a failed request used is used all the same. */
export interface ChargedRequest {
  work?: Partial<Work> | undefined;
  runsInWindow?: number | undefined;
}

/** The sum of what requests were charged with. */
export class Charges {
  requests = 0;
  /** Whether some request ran several times in its window. */
  repeated = false;
  readonly amounts = new Map<string, number>();

  add({ work = {}, runsInWindow = 1 }: ChargedRequest): void {
    this.requests++;
    this.repeated ||= runsInWindow > 1;
    for (const metric of workMetrics) {
      const own = work[metric] ?? 0;
      // A row's CPU time is of its first run; of a device's use it has its share, of all runs.
      const amount = metric === 'cpuTime' ? own : own * runsInWindow;
      this.amounts.set(metric, (this.amounts.get(metric) ?? 0) + amount);
    }
  }
}

const workMetrics = workMetricNames();

const additive = additiveMetrics();

/** Called for a rule that does not hold, with its two sides: what should be no more than, or equal to, what. */
export type OnBreach = (rule: string, found: number, expected: number) => void;

/** Sums of binary fractions differ by the order they are summed in; integrals by a little more. */
const relativeRounding = 1e-6;
/** The coarsest clock of CPU time that there is, getrusage's. */
const clockResolutionNs = 1000;

/**
 * The rules of a request's ledger. Its stages add up to it in tokens, in every metric that all of them
 * measured and in time, without a gap or an overlap; nothing is counted twice: cached ⊂ prompt, reasoning ⊂
 * completion, and no token is billed that was neither evaluated nor read from a cache. Of a request without
 * stages only its own tokens are known.
 */
export function checkRequest({ tokens, stages, work, times }: RequestAccount, onBreach: OnBreach): void {
  const { prompt, completion, cached, reasoning, hidden, processed } = tokens;
  const billed = prompt + completion;
  atMost('cached tokens are part of the prompt', cached, prompt, onBreach);
  atMost('reasoning tokens are part of the completion', reasoning, completion, onBreach);
  equal('hidden tokens are those processed less those billed', hidden, processed - billed, onBreach);
  if (stages.length === 0) return;

  const sums = { processed: 0, billed: 0, cached: 0, reasoning: 0 };
  let typed = true;
  for (const stage of stages) {
    const { cached: own = 0, type } = stage;
    sums.processed += stage.tokens;
    sums.billed += stage.billed;
    sums.cached += own;
    if (type === 'reasoning') sums.reasoning += stage.billed;
    typed &&= type !== undefined;
    atMost("a stage's cached tokens are part of its billed ones", own, stage.billed, onBreach);
    const known = stage.tokens + own;
    atMost('billed tokens of a stage were evaluated by it or cached', stage.billed, known, onBreach);
  }
  equal('processed tokens of stages add up to the request', sums.processed, processed, onBreach);
  equal('billed tokens of stages add up to the request', sums.billed, billed, onBreach);
  equal('cached tokens of stages add up to the request', sums.cached, cached, onBreach);
  if (typed) equal('reasoning tokens of stages add up to the request', sums.reasoning, reasoning, onBreach);
  for (const metric of additive) checkMetric(metric, work[metric] ?? null, stages, onBreach);
  checkTimes(stages, times, onBreach);
}

/** Whether every stage measured the metric, so that they can be added up to the whole. */
export function addsUp(
  metric: WorkMetric,
  { work, stages }: Pick<RequestAccount, 'work' | 'stages'>,
): boolean {
  return (work[metric] ?? null) !== null && stages.every((stage) => (stage.work[metric] ?? null) !== null);
}

/** Stages that measured it are no more than the whole, even where some did not. */
function checkMetric(
  metric: WorkMetric,
  whole: number | null,
  stages: readonly Stage[],
  onBreach: OnBreach,
): void {
  if (whole === null) return;
  let sum = 0;
  let complete = true;
  for (const stage of stages) {
    const own = stage.work[metric] ?? null;
    if (own === null) complete = false;
    else sum += own;
  }
  const slack = slackOf(isTime(metric), whole);
  if (sum - whole > slack || (complete && whole - sum > slack)) {
    onBreach(`${metric} of stages adds up to the request`, sum, whole);
  }
}

/** One clock reading ends a stage and begins the next, so that nothing is allowed for. */
function checkTimes(
  stages: readonly Stage[],
  { started, ended }: RequestAccount['times'],
  onBreach: OnBreach,
): void {
  let unaccounted = 0;
  let at = started;
  for (const { times } of stages) {
    unaccounted += Math.abs(times.started - at) + Math.max(0, times.started - times.ended);
    at = times.ended;
  }
  if (ended !== undefined) unaccounted += Math.abs(ended - at);
  if (unaccounted > 0) {
    onBreach(
      'stages follow each other without a gap or an overlap',
      at - started - unaccounted,
      at - started,
    );
  }
}

/**
 * The rules of a run's ledger, for each of its accounts (`cpuTime`, `energy/DEVICE` …): requests, idle and
 * unattributed add up to the total, which requests cannot exceed; and what requests are charged with, over
 * all devices that are charged for, is what the accounts say of them.
 */
export function checkRun(
  conservation: Readonly<Record<string, Conservation>>,
  { requests, repeated, amounts }: Charges,
  onBreach: OnBreach,
): void {
  const charged = new Map<string, { amount: number; unit: string }>();
  for (const [name, { total, requests: amount, idle, unattributed, unit }] of Object.entries(conservation)) {
    const slack = slackOf(unit === 'ns', total, requests);
    const parts = amount + idle + unattributed;
    const rule = `${name} of requests, idle and unattributed adds up to the run`;
    if (Math.abs(parts - total) > slack) onBreach(rule, parts, total);
    const whole = `${name} of requests is part of the run's`;
    if (Math.min(amount, idle, unattributed) < -slack) onBreach(whole, amount, total);
    const metric = name.split('/')[0]!;
    charged.set(metric, { amount: (charged.get(metric)?.amount ?? 0) + amount, unit });
  }
  for (const [metric, { amount, unit }] of charged) {
    const sum = amounts.get(metric) ?? 0;
    const slack = slackOf(unit === 'ns', amount, requests);
    const isFirstOnly = repeated && metric === 'cpuTime';
    if (sum - amount > slack || (amount - sum > slack && !isFirstOnly)) {
      onBreach(`${metric} of requests adds up to the run's`, sum, amount);
    }
  }
}

function isTime(metric: WorkMetric): boolean {
  return metric === 'cpuTime' || metric === 'gpuTime';
}

/** The amount by which a sum may miss its whole: rounding, and what a clock cannot resolve in each of `readings`. */
function slackOf(inNs: boolean, whole: number, readings = 1): number {
  return Math.max(relativeRounding * Math.abs(whole), inNs ? clockResolutionNs * readings : 0);
}

function equal(rule: string, found: number, expected: number, onBreach: OnBreach): void {
  if (found !== expected) onBreach(rule, found, expected);
}

function atMost(rule: string, found: number, most: number, onBreach: OnBreach): void {
  if (!(found <= most)) onBreach(rule, found, most);
}
