import { runOnGpu } from '../core/busy-machine.js';
import { metricOf } from '../core/metrics.js';
import type { Recording, Regression, SamplerCost } from '../core/records/sampling.js';
import type { Conservation, RecordedWarning, Result, Stage } from '../core/result.js';
import type { Metric } from '../core/work.js';
import type { JournalEntry, JournalHeader, JournalRow } from '../journal/entry.js';
import type { JournalContents } from '../journal/read.js';
import { unfinishedValidation, validationOf } from '../journal/state.js';
import { baselineOf, idleBaseline } from '../sampling/attribution/baseline.js';
import { type UseMetric, useMetrics } from '../sampling/attribution/devices.js';
import { attributionErrors, untested } from '../sampling/attribution/errors.js';
import { partialEnergy, type SamplingSetting, sampledMetric } from '../sampling/attribution/metric.js';
import { busyMachine, gpuWarnings } from '../sampling/attribution/neighbours.js';
import type { Segment } from '../sampling/attribution/segment.js';
import { servedErrors } from '../sampling/attribution/served/errors.js';
import type { ServedShares } from '../sampling/attribution/served/share-segment.js';
import { type SegmentShares, shareSegment, type UsedByRequest } from '../sampling/attribution/shares.js';
import { throttling } from '../sampling/attribution/throttling.js';
import { timelineOf } from '../sampling/attribution/timeline.js';
import { RowTally } from './row-tally.js';
import { sampledSegments } from './segments.js';
import { areShared, isServed, sawGpu, shareServed } from './served.js';
import { counterWarnings, sharedOverFleet } from './served-counters.js';

/** The parts of a result that come from samples. */
export interface FoldedSampling
  extends Pick<
    Result,
    'metrics' | 'conservation' | 'idleBaseline' | 'attributionErrors' | 'regressions' | 'timeline'
  > {
  /** The row with what the samples say of it. */
  fill(row: JournalRow): JournalRow;
  /** Of all filled rows. */
  tally: RowTally;
  sampler: SamplerCost | undefined;
  recording: Recording | undefined;
  warnings: RecordedWarning[];
}

/**
 * Draws from a journal's samples what each request used; rows that nothing was sampled for stay as they are.
 * `besides` are the entries that are no requests.
 */
export function foldSampling(
  { header, entries, rows }: Pick<JournalContents, 'header' | 'entries' | 'rows'>,
  besides: readonly JournalEntry[],
): FoldedSampling {
  const isSampled = besides.some(({ kind }) => kind === 'sampling');
  const segments = isSampled ? sampledSegments(entries) : [];
  const { concurrency, sampling } = header.settings;
  const recorded = segments[0]?.recorded ?? null;
  const usesGpu = recorded?.usesGpu ?? (isServed(header) ? sawGpu(segments) : runOnGpu(header.models));
  const served =
    isServed(header) && areShared(header)
      ? segments.map((segment) => shareServed(segment, header, rows))
      : null;
  const fleet = served?.find((of) => of.fleet !== null)?.fleet ?? undefined;
  const setting = { concurrency, usesGpu, regressed: served !== null, fleet };
  const shares = served ?? segments.map((segment) => shareSegment(segment, setting));
  const byId = new Map(shares.flatMap(({ used }) => [...used]));
  const regressions = served?.flatMap((segment) => segment.regressions);
  const metrics = withRefusals(metricsOf(header, segments, shares, setting), regressions);
  const filledBy = (row: JournalRow) => {
    const use = byId.get(row.id);
    return use ? fill(row, use, metrics) : row;
  };
  const tally = new RowTally(header.cells);
  for (const row of rows) tally.add(filledBy(row));
  const errors = sampling.validate ? errorsOf(segments, shares, served, rows, concurrency) : null;
  const validation = validationOf(besides);
  return {
    fill: filledBy,
    tally,
    metrics,
    conservation: conservationOf(shares),
    ...(segments.length > 0 && {
      idleBaseline: baselinesOf(segments, shares),
      timeline: timelineOf(segments),
    }),
    ...(errors && { attributionErrors: errors }),
    ...(regressions && { regressions }),
    sampler: costOf(segments),
    recording: recorded ? recordingOf(recorded) : undefined,
    warnings: [
      ...segments.flatMap(({ warnings }) => warnings),
      ...(isServed(header) ? counterWarnings(header, segments, rows) : []),
      ...(fleet === undefined ? [] : [sharedOverFleet(fleet)]),
      ...segments.slice(0, 1).flatMap((segment) => partialEnergy(segment, shares[0]!.devices, setting)),
      ...segments.slice(0, 1).flatMap((segment) => gpuWarnings(segment, setting)),
      ...tally.lostFigures(),
      ...shares.slice(0, 1).flatMap(({ devices }) => busyMachine(segments, devices, tally.waited)),
      ...throttling(segments, setting),
      ...(errors && !validation.isDone ? [unfinishedValidation(validation)] : []),
      ...(errors && validation.isDone && errors.length === 0 ? [untested] : []),
    ],
  };
}

/** Errors of the sharing, held against the same requests alone. */
function errorsOf(
  segments: readonly Segment[],
  shares: readonly SegmentShares[],
  served: readonly ServedShares[] | null,
  rows: Iterable<JournalRow>,
  concurrency: number,
) {
  const cellOf = new Map<number, string>();
  for (const { id, cell } of rows) cellOf.set(id, cell);
  return served
    ? servedErrors(segments, served, cellOf, concurrency)
    : attributionErrors(segments, shares, cellOf, concurrency);
}

function recordingOf({ file, sha256, machine, recordedAt }: Recording): Recording {
  return { file, sha256, machine, recordedAt };
}

/** A metric that an engine measured by itself is left to it. */
function metricsOf(
  header: JournalHeader,
  segments: readonly Segment[],
  shares: readonly SegmentShares[],
  setting: SamplingSetting,
): Record<string, Metric> {
  const { metrics } = header;
  // In this process the CPU time of a request is its thread's, or is nothing's.
  const sampled = useMetrics.filter(
    (metric) =>
      (metric !== 'cpuTime' || isServed(header)) &&
      (metrics[metric]?.provenance ?? 'unavailable') === 'unavailable',
  );
  const best = (metric: UseMetric) => {
    const index = shares.findIndex(({ devices }) =>
      devices.some((use) => use.metric === metric && use.counted),
    );
    return Math.max(0, index);
  };
  if (segments.length === 0) return metrics;
  return {
    ...metrics,
    ...Object.fromEntries(
      sampled.map((metric) => {
        const at = best(metric);
        return [metric, sampledMetric(metric, segments[at]!, shares[at]!.devices, setting)];
      }),
    ),
  };
}

/** A metric that no counter of could be shared is unavailable, with the reason that the first gives. */
function withRefusals(
  metrics: Record<string, Metric>,
  regressions: readonly Regression[] = [],
): Record<string, Metric> {
  const refused = useMetrics.flatMap((metric) => {
    const own = regressions.filter(({ account }) => account.startsWith(`${metric}/`));
    const first = own[0]?.refused ?? null;
    if (first === null || own.some((regression) => regression.refused === null)) return [];
    const { unit } = metricOf(metric);
    return [
      [
        metric,
        { unit, provenance: 'unavailable', method: 'none', reason: 'too-short', hint: first },
      ] as const,
    ];
  });
  return { ...metrics, ...Object.fromEntries(refused) };
}

function fill(row: JournalRow, used: UsedByRequest, metrics: Record<string, Metric>): JournalRow {
  const isMeasured = (metric: UseMetric) => (metrics[metric]?.provenance ?? 'unavailable') !== 'unavailable';
  const figures = useMetrics.flatMap((metric) => {
    const figure = used[metric];
    return figure && isMeasured(metric) && (row.work?.[metric] ?? null) === null ? [{ metric, figure }] : [];
  });
  const values = Object.fromEntries(figures.map(({ metric, figure }) => [metric, figure.value]));
  if (!('stages' in row)) {
    const known = Object.entries(values).filter(([, value]) => value !== null);
    return known.length === 0 ? row : { ...row, work: { ...row.work, ...Object.fromEntries(known) } };
  }
  const absent = {
    ...row.absent,
    ...Object.fromEntries(
      figures
        .filter(({ figure }) => figure.value === null)
        .map(({ metric, figure }) => [metric, figure.reason ?? 'lost']),
    ),
  };
  const intervals = figures.flatMap(({ metric, figure: { value, interval } }) =>
    value !== null && interval !== null
      ? [[metric, [interval[0], interval[1]] as [number, number]] as const]
      : [],
  );
  const stages = row.stages.map((stage, index) => {
    const known = figures.map(({ metric, figure }) => ({
      metric,
      ...(figure.stages.get(index) ?? unstated(figure, stage)),
    }));
    const lacking = known.filter(({ value }) => value === null);
    return {
      ...stage,
      work: { ...stage.work, ...Object.fromEntries(known.map(({ metric, value }) => [metric, value])) },
      ...(lacking.length > 0 && {
        absent: Object.fromEntries(lacking.map(({ metric, reason }) => [metric, reason ?? 'lost'])),
      }),
    };
  });
  return {
    ...row,
    work: { ...row.work, ...values },
    ...(Object.keys(absent).length > 0 && { absent }),
    ...(used.runs > 1 && { runsInWindow: used.runs }),
    ...(intervals.length > 0 && { intervals: Object.fromEntries(intervals) }),
    stages,
  };
}

/** The figure of a stage without one: 0 where it took no time, else absent, as stages that differ between runs are not told apart. */
function unstated({ reason, value }: NonNullable<UsedByRequest['energy']>, { times }: Stage) {
  if (value === null) return { value, reason };
  return times.ended > times.started
    ? { value: null, reason: 'not-applicable' as const }
    : { value: 0, reason: null };
}

/**
 * Of each device: all that it used while the run measured, to whom it went. What a request surely used
 * and nobody can say how much of is `unattributed`, as is all that a GPU used that works for none.
 */
function conservationOf(shares: readonly SegmentShares[]): Record<string, Conservation> {
  const accounts: Record<string, Conservation> = {};
  for (const { shared, used } of shares) {
    for (const { use, shares: of } of shared) {
      const { total, idle } = of.attribution;
      let requests = 0;
      for (const [id, { amount }] of of.byRequest) {
        if (use.counted && amount !== null && (used.get(id)![use.metric]?.value ?? null) !== null)
          requests += amount;
      }
      const key = `${use.metric}/${use.device}`;
      const before = accounts[key];
      accounts[key] = {
        total: (before?.total ?? 0) + total,
        requests: (before?.requests ?? 0) + requests,
        idle: (before?.idle ?? 0) + idle,
        unattributed: (before?.unattributed ?? 0) + (total - requests - idle),
        unit: metricOf(use.metric).unit,
      };
    }
  }
  return accounts;
}

function baselinesOf(
  segments: readonly Segment[],
  shares: readonly SegmentShares[],
): NonNullable<FoldedSampling['idleBaseline']> {
  const found = new Map<string, { before: number | null; after: number | null }>();
  for (const [index, { idleBefore, idleAfter }] of segments.entries()) {
    for (const { metric, device, curve } of shares[index]!.devices) {
      if (metric !== 'energy') continue;
      const { before, after } = idleBaseline(curve, idleBefore, idleAfter);
      const known = found.get(device);
      found.set(device, { before: known?.before ?? before, after: after ?? known?.after ?? null });
    }
  }
  return Object.fromEntries(
    [...found].map(([device, { before, after }]) => [
      `energy/${device}`,
      { unit: 'W', ...baselineOf(before, after) },
    ]),
  );
}

function costOf(segments: readonly Segment[]): SamplerCost | undefined {
  const costs = segments.flatMap(({ cost }) => cost ?? []);
  if (costs.length === 0) return undefined;
  const sum = (of: (cost: SamplerCost) => number) => costs.reduce((total, cost) => total + of(cost), 0);
  const durationNs = sum((cost) => cost.durationNs);
  const unknown = costs.some(({ cpuShare }) => cpuShare === null);
  return {
    cpuShare:
      unknown || durationNs === 0 ? null : sum((cost) => cost.cpuShare! * cost.durationNs) / durationNs,
    durationNs,
    samples: sum(({ samples }) => samples),
    dropped: sum(({ dropped }) => dropped),
    missed: sum(({ missed }) => missed),
  };
}
