import { runOnGpu } from '../core/busy-machine.js';
import { metricOf } from '../core/metrics.js';
import type { Conservation, RecordedWarning, Result, Stage } from '../core/result.js';
import type { Recording, SamplerCost } from '../core/sampling-record.js';
import type { Metric } from '../core/work.js';
import type { JournalEntry, JournalHeader, JournalRow } from '../journal/entry.js';
import { unfinishedValidation, validationOf } from '../journal/state.js';
import { baselineOf, idleBaseline } from '../sampling/attribution/baseline.js';
import type { UseMetric } from '../sampling/attribution/devices.js';
import { attributionErrors } from '../sampling/attribution/errors.js';
import { partialEnergy, type SamplingSetting, sampledMetric } from '../sampling/attribution/metric.js';
import { busyMachine, gpuWarnings } from '../sampling/attribution/neighbours.js';
import type { Segment } from '../sampling/attribution/segment.js';
import { type SegmentShares, shareSegment, type UsedByRequest } from '../sampling/attribution/shares.js';
import { throttling } from '../sampling/attribution/throttling.js';
import { timelineOf } from '../sampling/attribution/timeline.js';
import { sampledSegments } from './segments.js';
import { lostFigures } from './warnings.js';

/** The parts of a result that come from samples. */
export interface FoldedSampling
  extends Pick<Result, 'metrics' | 'conservation' | 'idleBaseline' | 'attributionErrors' | 'timeline'> {
  rows: JournalRow[];
  sampler: SamplerCost | undefined;
  recording: Recording | undefined;
  warnings: RecordedWarning[];
}

/** Draws from a journal's samples what each request used; rows that nothing was sampled for stay as they are. */
export function foldSampling(
  header: JournalHeader,
  entries: readonly JournalEntry[],
  rows: readonly JournalRow[],
): FoldedSampling {
  const segments = sampledSegments(entries);
  const { concurrency, sampling } = header.settings;
  const recorded = segments[0]?.recorded ?? null;
  const usesGpu = recorded?.usesGpu ?? runOnGpu(header.models);
  const setting = { concurrency, usesGpu };
  const shares = segments.map((segment) => shareSegment(segment, setting));
  const byId = new Map(shares.flatMap(({ used }) => [...used]));
  const metrics = metricsOf(header, segments, shares, setting);
  const filled = rows.map((row) => {
    const use = byId.get(row.id);
    return use ? fill(row, use, metrics) : row;
  });
  const cellOf = new Map(rows.map(({ id, cell }) => [id, cell]));
  const errors = sampling.validate ? attributionErrors(segments, shares, cellOf, concurrency) : null;
  const validation = validationOf(entries);
  return {
    rows: filled,
    metrics,
    conservation: conservationOf(shares),
    ...(segments.length > 0 && {
      idleBaseline: baselinesOf(segments, shares),
      timeline: timelineOf(segments),
    }),
    ...(errors && { attributionErrors: errors.found }),
    sampler: costOf(segments),
    recording: recorded ? recordingOf(recorded) : undefined,
    warnings: [
      ...segments.flatMap(({ warnings }) => warnings),
      ...segments.slice(0, 1).flatMap((segment) => partialEnergy(segment, shares[0]!.devices, setting)),
      ...segments.slice(0, 1).flatMap((segment) => gpuWarnings(segment, setting)),
      ...lostFigures(filled),
      ...shares.slice(0, 1).flatMap(({ devices }) => busyMachine(segments, devices, filled)),
      ...throttling(segments, setting),
      ...(errors && !validation.isDone ? [unfinishedValidation(validation)] : (errors?.warnings ?? [])),
    ],
  };
}

function recordingOf({ file, sha256, machine, recordedAt }: Recording): Recording {
  return { file, sha256, machine, recordedAt };
}

/** A metric that an engine measured by itself is left to it. */
function metricsOf(
  { metrics }: JournalHeader,
  segments: readonly Segment[],
  shares: readonly SegmentShares[],
  setting: SamplingSetting,
): Record<string, Metric> {
  const sampled = (['energy', 'gpuTime'] as const).filter(
    (metric) => (metrics[metric]?.provenance ?? 'unavailable') === 'unavailable',
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

function fill(row: JournalRow, used: UsedByRequest, metrics: Record<string, Metric>): JournalRow {
  const isMeasured = (metric: UseMetric) => (metrics[metric]?.provenance ?? 'unavailable') !== 'unavailable';
  const filled = (['energy', 'gpuTime'] as const).filter(
    (metric) => isMeasured(metric) && (row.work?.[metric] ?? null) === null,
  );
  const values = Object.fromEntries(filled.map((metric) => [metric, used[metric].value]));
  if (!('stages' in row)) {
    const known = Object.entries(values).filter(([, value]) => value !== null);
    return known.length === 0 ? row : { ...row, work: { ...row.work, ...Object.fromEntries(known) } };
  }
  const absent = {
    ...row.absent,
    ...Object.fromEntries(
      filled
        .filter((metric) => used[metric].value === null)
        .map((metric) => [metric, used[metric].reason ?? 'lost']),
    ),
  };
  const stages = row.stages.map((stage, index) => {
    const known = filled.flatMap((metric) => {
      const figure = used[metric].stages.get(index) ?? unstated(used[metric], stage);
      return [{ metric, ...figure }];
    });
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
    stages,
  };
}

/** The figure of a stage without one: 0 where it took no time, else absent, as stages that differ between runs are not told apart. */
function unstated({ reason, value }: UsedByRequest['energy'], { times }: Stage) {
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
        if (use.counted && amount !== null && used.get(id)![use.metric].value !== null) requests += amount;
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
