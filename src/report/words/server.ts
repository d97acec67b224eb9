import type { ArrivalProcess, ArrivalsRecord } from '../../core/records/arrivals.js';
import type { Regression } from '../../core/records/sampling.js';
import type { ServerRecord } from '../../core/records/server.js';
import type { Result } from '../../core/result.js';
import { formatCount, formatDuration, formatNumber, formatPercent } from './format.js';
import { metricName } from './names.js';

/** `Server http://127.0.0.1:8080/v1: llama.cpp b8500 serves tiny; context of 2,048 tokens, 4 at once, …`. */
export function describeServer(server: ServerRecord): string {
  const { url, kind, version, model, contextLength, slots, promptCache, onThisMachine } = server;
  const facts = [
    ...(contextLength === null ? [] : [`context of ${formatCount(contextLength, 'token')}`]),
    ...(slots === null ? [] : [`${formatCount(slots, 'request')} at once`]),
    ...(promptCache === null ? [] : [`prompt cache ${promptCache ? 'on' : 'off'}`]),
    onThisMachine ? 'on this machine' : 'on another machine',
  ];
  return `Server ${url}: ${kind}${version === null ? '' : ` ${version}`} serves ${model}; ${facts.join(', ')}`;
}

/** How requests were sent: `Poisson arrivals, 4 requests/s: 200 of 200 sent, 3.98 requests/s, 0.3 ms late (p99)`. */
export function describeArrivals({ run }: Pick<Result, 'run'>): string[] {
  return (run.arrivals ?? []).flatMap((arrivals) =>
    arrivals.process.kind === 'closed' ? [] : [describeStep(arrivals)],
  );
}

function describeStep({ process, scheduled, sent, achievedRate, lag, usable }: ArrivalsRecord): string {
  const parts = [
    `${sent} of ${formatCount(scheduled, 'request')} sent`,
    ...(achievedRate === null ? [] : [`${formatNumber(achievedRate)} requests/s`]),
    ...(lag === null ? [] : [`${formatDuration(lag.p99)} after they were due (p99)`]),
    ...(usable ? [] : ['NOT the arrivals that were asked for']),
  ];
  return `${inWords(process)}: ${parts.join(', ')}`;
}

function inWords(process: ArrivalProcess): string {
  switch (process.kind) {
    case 'closed':
      return `Closed loop, ${process.concurrency} at a time`;
    case 'constant':
      return `Constant arrivals, ${formatNumber(process.rate)} requests/s`;
    case 'poisson':
      return `Poisson arrivals, ${formatNumber(process.rate)} requests/s`;
    case 'gamma':
      return `Gamma arrivals with gaps of CV ${formatNumber(process.variation)}, ${formatNumber(process.rate)} requests/s`;
    case 'ramp':
      return `Arrivals from ${formatNumber(process.from)} to ${formatNumber(process.to)} requests/s`;
    case 'trace':
      return `The trace’s own arrivals${process.speed === 1 ? '' : `, ${formatNumber(process.speed)} times as fast`}`;
  }
}

/** How a server's counters were shared among concurrent requests, each with what tells how well that could be done. */
export function describeRegressions({ regressions = [] }: Pick<Result, 'regressions'>): string[] {
  return regressions.map(describeRegression);
}

function describeRegression({ account, refused, fit }: Regression): string {
  const name = metricName(account);
  if (refused !== null || fit === null) return `${name}: not shared among requests: ${refused}`;
  const { windows, conditionNumber, residualShare, coefficients, dropped } = fit;
  const told = coefficients.filter(({ value }) => value > 0).map(({ name: regressor }) => regressor);
  return (
    `${name}: shared by regression on ${told.join(', ')} over ${formatCount(windows, 'window')} ` +
    `(condition number ${formatNumber(conditionNumber)}, residuals ${formatPercent(residualShare)}` +
    `${dropped.length === 0 ? '' : `; not told apart: ${dropped.join(', ')}`})`
  );
}
