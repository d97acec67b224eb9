import type { Applied, AppliedWork } from '../../analysis/applied/applied.js';
import type { Coverage, OutsideReason } from '../../analysis/applied/coverage.js';
import { outsideReasons } from '../../analysis/applied/coverage.js';
import type { LengthKind } from '../../analysis/applied/length-kind.js';
import { metricOf, type WorkMetric } from '../../core/metrics.js';
import type { DisplayUnit } from '../../core/units.js';
import { formatEstimate, inUnit, percent, shares, unitFor } from './format.js';
import { metricName } from './names.js';

/** A log as it was read, beside what was made of it. */
export interface LogRead {
  name: string;
  /** Lines that hold no usage. */
  without: number;
  /** Epoch milliseconds; null where the lines hold no times. */
  from: number | null;
  to: number | null;
  /** Models that the lines name, the first few of them. */
  models: readonly string[];
}

const whole = (count: number) => Math.round(count).toLocaleString('en');

/** Where the figures come from: an estimate is to be known as one. */
export function originSentence({ model, cells, pipeline }: Applied, log: LogRead): string {
  const through = pipeline === 'plain-chat' ? 'plain chat' : pipeline;
  const others =
    log.models.length > 1
      ? ` The log names ${log.models.length} models, and all of it is weighed by this one.`
      : '';
  return `Estimated, not measured: what requests of ${through} to ${model} cost in ${cells} measured cells, applied to the lengths in ${log.name}.${others}`;
}

/** Units that a month of requests takes, by base unit. */
const ofMonths: Readonly<Record<string, readonly DisplayUnit[]>> = {
  ns: [{ name: 'h', per: 3.6e12 }],
  J: [{ name: 'kWh', per: 3.6e6 }],
};

/** The answer: share of the bill on the wrong requests, and what all of it takes. */
export function appliedHeadline(
  metric: WorkMetric,
  { misbilledShare, total }: AppliedWork,
  coverage: Coverage,
): string {
  const { log, covered } = coverage;
  const whose = covered.requests === log.requests ? 'this log' : 'the covered part of this log';
  const { unit, scale } = metricOf(metric);
  const units = [...scale, ...(ofMonths[unit] ?? [])];
  return `An estimated ${formatEstimate(misbilledShare, shares)} of a per-token bill of ${whose} lands on the wrong requests, by ${metricName(metric)}, of which it takes ${formatEstimate(total, inUnit(unitFor(total.value, units)))} in all.`;
}

/** How much of the log the measurement covers, and what it does not. */
export function coverageSentences(
  { log, covered, outside, measured, logged }: Coverage,
  read: LogRead,
): string[] {
  const day = (time: number) => new Date(time).toISOString().slice(0, 10);
  const when = read.from === null || read.to === null ? '' : `, ${day(read.from)} to ${day(read.to)}`;
  const [prompt, completion] = [measured.prompt, measured.completion].map(
    ([low, high]) => `${whole(low)} to ${whole(high)}`,
  );
  const why: Record<OutsideReason, string> = {
    cached: 'with a larger part of the prompt cached than was measured',
    empty: 'without a prompt or an answer',
    prompt: `with a prompt outside of the ${prompt} tokens that were measured`,
    completion: `with an answer outside of the ${completion} tokens that were measured`,
    between: 'of lengths that were measured, but not together',
  };
  const left = outsideReasons
    .filter((reason) => outside[reason].requests > 0)
    .map((reason) => {
      const { requests, tokens } = outside[reason];
      return `${whole(requests)} ${why[reason]} (${percent(tokens / log.tokens)} of the tokens)`;
    });
  return [
    `Covered: ${whole(covered.requests)} of ${whole(log.requests)} requests, ${percent(covered.tokens / log.tokens)} of their ${whole(log.tokens)} tokens${when}.`,
    ...(left.length === 0 ? [] : [`Left out, and not extrapolated to: ${left.join('; ')}.`]),
    ...(left.length === 0 || logged === null
      ? []
      : [
          `98% of the requests have prompts of ${whole(logged.prompt[0])} to ${whole(logged.prompt[1])} tokens and answers of ${whole(logged.completion[0])} to ${whole(logged.completion[1])}: measure such lengths, by a suite or by \`bench --trace\`, to cover them.`,
        ]),
    ...(read.without === 0
      ? []
      : [
          `${whole(read.without)} ${read.without === 1 ? 'line holds no usage, and is' : 'lines hold no usage, and are'} not counted.`,
        ]),
  ];
}

/** `prompts of 256–1,023 tokens, answers of 4–15`. */
export function kindInWords({ prompt, completion }: LengthKind): string {
  return `prompts of ${whole(prompt[0])}–${whole(prompt[1])} tokens, answers of ${whole(completion[0])}–${whole(completion[1])}`;
}

/** How far the law is off where it was not fitted. */
export function heldOutSentence({ heldOut: { medianError, cells } }: AppliedWork): string {
  const off = (cell: (typeof cells)[number]) =>
    cell.predicted === null ? Number.POSITIVE_INFINITY : Math.abs(cell.predicted / cell.measured - 1);
  const worst = cells.reduce((most, cell) => (off(cell) > off(most) ? cell : most));
  const most = Number.isFinite(off(worst)) ? `${percent(off(worst))} at the most` : 'and cannot be told';
  return `Work of a cell by a law that was fitted to the others is off by ${percent(medianError)} in the median, ${most} (${worst.cell}).`;
}
