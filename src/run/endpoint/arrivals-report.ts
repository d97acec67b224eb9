import type { FailureCode, Warning } from '../../core/codes.js';
import type { ArrivalProcess, ArrivalsRecord, UnsentReason } from '../../core/records/arrivals.js';
import type { DispatchTally } from './dispatch.js';

/**
 * The lag that 99 of 100 requests must keep to: half the mean gap, so that the order of arrivals and the bursts among
 * them are still those of the process; 2 ms where gaps are shorter, which a timer's error and a pause of the collector
 * take anyway; and 50 ms where they are longer, as latencies from the scheduled time would be of the client by then.
 */
const lagLimit = { shareOfGap: 0.5, leastNs: 2e6, mostNs: 50e6 };
/** Beyond it, what arrived is not what was asked for. */
const mostUnsent = 0.01;

/** How well the requests of a loop were sent, and whether a result may rest on that. */
export function arrivalsRecord(process: ArrivalProcess, tally: DispatchTally): ArrivalsRecord {
  const { scheduled, sent, unsent, schedule, durationNs, spunNs } = tally;
  const { maxInFlight, mostInFlight } = tally;
  const lag = schedule?.lag.summary() ?? null;
  const reason = whyUnusable(tally, lag?.p99 ?? null);
  return {
    process,
    scheduled,
    sent,
    unsent,
    ...ratesOf(tally),
    lag,
    catchUp: schedule?.catchUp ?? null,
    lateAfter: schedule?.lateAfterNs ?? null,
    maxInFlight,
    mostInFlight,
    spinShare: durationNs > 0 ? spunNs / durationNs : 0,
    usable: reason === null,
    reason,
  };
}

function ratesOf({ scheduled, sent, schedule, firstSentNs, lastSentNs }: DispatchTally) {
  const perSecond = (events: number, spanNs: number) =>
    events >= 2 && spanNs > 0 ? (events - 1) / (spanNs / 1e9) : null;
  const firstNs = schedule?.firstNs ?? firstSentNs ?? 0;
  const lastNs = Math.max(schedule?.lastNs ?? 0, lastSentNs ?? 0);
  return {
    offeredRate: schedule && perSecond(scheduled, schedule.lastNs - firstNs),
    achievedRate: perSecond(sent, lastNs - firstNs),
  };
}

function whyUnusable({ scheduled, unsent, schedule, maxInFlight }: DispatchTally, lagP99: number | null) {
  if (schedule === null) return null;
  const reasons: string[] = [];
  const gapNs =
    scheduled > 1 ? (schedule.lastNs - schedule.firstNs) / (scheduled - 1) : Number.POSITIVE_INFINITY;
  const { shareOfGap, leastNs, mostNs } = lagLimit;
  const limitNs = Math.min(Math.max(shareOfGap * gapNs, leastNs), mostNs);
  if (lagP99 !== null && lagP99 > limitNs) {
    reasons.push(
      `one request in 100 was sent ${ms(lagP99)} ms late or later, where ${ms(limitNs)} ms is the limit`,
    );
  }
  const { late, inFlight } = unsent;
  if (late + inFlight > mostUnsent * scheduled) {
    const parts = [
      ...(late > 0 ? [`${late} as they were more than ${ms(schedule.lateAfterNs)} ms late`] : []),
      ...(inFlight > 0 ? [`${inFlight} as ${maxInFlight} others were unanswered`] : []),
    ];
    reasons.push(`${late + inFlight} of ${scheduled} requests were not sent, ${parts.join(', ')}`);
  }
  return reasons.length === 0 ? null : reasons.join('; ');
}

const ms = (ns: number): string => (ns / 1e6).toFixed(ns < 10e6 ? 1 : 0);

/** The outcome of a request that an open loop did not send. */
export function unsentOutcome(reason: Exclude<UnsentReason, 'stopped'>): {
  status: 'failed';
  code: FailureCode;
  message: string;
} {
  const why = reason === 'late' ? 'its time had passed' : 'too many others were unanswered';
  return { status: 'failed', code: 'request-unsent', message: `It was not sent, as ${why}.` };
}

/** The warning of a result whose requests did not arrive as was asked; null where they did. */
export function arrivalsWarning({ reason, unsent }: ArrivalsRecord): Warning | null {
  if (reason === null) return null;
  return {
    code: 'arrivals-missed',
    message: `Requests did not arrive as asked, so latencies and rates are not of these arrivals: ${reason}.`,
    hint:
      unsent.inFlight > unsent.late
        ? 'The server answers fewer than arrive: lower the rate, or raise --max-in-flight to see the backlog grow.'
        : 'Run the client on another machine than the server or on an idle one, or lower the rate.',
  };
}
