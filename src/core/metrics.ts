/**
 * The registry of metrics: one record each. Whatever names, orders, reads, sums or prints a metric goes by
 * its record, so that a new metric is a new record here and a figure in the rows that carry it.
 */
import {
  byteSecondUnits,
  byteUnits,
  type DisplayUnit,
  flopUnits,
  jouleUnits,
  nanosecondUnits,
} from './units.js';

/** How a metric's figures came to be; never mixed in one column. */
export const provenances = ['measured', 'attributed', 'derived', 'estimated', 'unavailable'] as const;
export type Provenance = (typeof provenances)[number];

/** What a reader of metrics sees of a request that succeeded. */
interface MeasuredRequest {
  tokens: { completion: number; reasoning: number };
  times: {
    submitted: number;
    started: number;
    firstToken: number;
    lastToken: number;
    ended?: number | undefined;
  };
  work: Readonly<Record<string, number | null>>;
}

/** What a reader of metrics sees of a stage. */
interface MeasuredStage {
  work: Readonly<Record<string, number | null | undefined>>;
}

export interface MetricRecord {
  /** Its key in a result file and on the command line. */
  readonly name: string;
  /** In a sentence. */
  readonly label: string;
  /** Over a column. */
  readonly heading: string;
  /** Base unit, in which files carry it. */
  readonly unit: string;
  /** The units that people read, smallest first. */
  readonly scale: readonly DisplayUnit[];
  /** `work`: a key of `request.work`, spent whoever waits; `latency`: what a client waits for. */
  readonly kind: 'work' | 'latency';
  /** Which provenances it can have. */
  readonly provenance: readonly Provenance[];
  /** Whether stages add up to their request, and requests to a total. */
  readonly additive: boolean;
  /** Rank among metrics, 1 the nearest to money; what a result is about is the first that it measured. */
  readonly importance: number;
  /** How less and more of it read in a comparison. */
  readonly words: { readonly less: string; readonly more: string };
  /** In base units; `null` where it was not measured. `batch`: rows that ran side by side in the request. */
  ofRequest(request: MeasuredRequest, batch: number): number | null;
  /** In base units; `null` where it was not measured of stages. */
  ofStage(stage: MeasuredStage): number | null;
}

const times = { less: 'faster', more: 'slower' };
const amounts = { less: 'less', more: 'more' };

/** A kind of work: read from `work` under its own name. */
function work<const Name extends string>(
  record: Omit<MetricRecord, 'name' | 'kind' | 'ofRequest' | 'ofStage'> & { name: Name },
) {
  const { name } = record;
  return {
    ...record,
    kind: 'work' as const,
    ofRequest: (request: MeasuredRequest) => request.work[name] ?? null,
    ofStage: (stage: MeasuredStage) => stage.work[name] ?? null,
  };
}

/** A latency of the whole request: no stage has one of its own. */
function latency<const Name extends string>(
  record: Pick<MetricRecord, 'label' | 'heading' | 'importance' | 'ofRequest'> & { name: Name },
) {
  return {
    ...record,
    kind: 'latency' as const,
    unit: 'ns',
    scale: nanosecondUnits,
    provenance: ['measured'] as const,
    additive: false,
    words: times,
    ofStage: () => null,
  };
}

const records = [
  latency({
    name: 'ttft',
    label: 'TTFT',
    heading: 'TTFT',
    importance: 8,
    ofRequest: (request) => request.times.firstToken - request.times.submitted,
  }),
  latency({
    name: 'tpot',
    label: 'TPOT',
    heading: 'TPOT',
    importance: 7,
    // (last token − first token) ÷ (n − 1), n the shown tokens of one row: rows come out side by side.
    ofRequest: ({ tokens, times }, batch) => {
      const gaps = (tokens.completion - tokens.reasoning) / batch - 1;
      return gaps < 1 ? null : (times.lastToken - times.firstToken) / gaps;
    },
  }),
  latency({
    name: 'e2e',
    label: 'E2E latency',
    heading: 'E2E',
    importance: 6,
    // Results from before stages came after the last token end with it.
    ofRequest: ({ times }) => (times.ended ?? times.lastToken) - times.submitted,
  }),
  work({
    name: 'cpuTime',
    label: 'CPU time',
    heading: 'CPU',
    unit: 'ns',
    scale: nanosecondUnits,
    provenance: ['measured', 'unavailable'],
    additive: true,
    importance: 3,
    words: times,
  }),
  work({
    name: 'gpuTime',
    label: 'GPU time',
    heading: 'GPU',
    unit: 'ns',
    scale: nanosecondUnits,
    provenance: ['measured', 'attributed', 'estimated', 'unavailable'],
    additive: true,
    importance: 2,
    words: times,
  }),
  work({
    name: 'energy',
    label: 'energy',
    heading: 'energy',
    unit: 'J',
    scale: jouleUnits,
    provenance: ['measured', 'attributed', 'estimated', 'unavailable'],
    additive: true,
    importance: 1,
    words: amounts,
  }),
  work({
    name: 'peakMemory',
    label: 'peak memory',
    heading: 'peak mem',
    unit: 'B',
    scale: byteUnits,
    provenance: ['measured', 'unavailable'],
    additive: false,
    importance: 9,
    words: amounts,
  }),
  work({
    name: 'kvBytes',
    label: 'KV cache size',
    heading: 'KV',
    unit: 'B',
    scale: byteUnits,
    provenance: ['derived'],
    additive: true,
    importance: 10,
    words: amounts,
  }),
  work({
    name: 'kvByteSeconds',
    label: 'KV cache held over time',
    heading: 'KV held',
    unit: 'B·s',
    scale: byteSecondUnits,
    provenance: ['derived'],
    additive: true,
    importance: 11,
    words: amounts,
  }),
  work({
    name: 'flops',
    label: 'FLOPs',
    heading: 'work',
    unit: 'FLOP',
    scale: flopUnits,
    provenance: ['derived'],
    additive: true,
    importance: 4,
    words: amounts,
  }),
  work({
    name: 'bytesMoved',
    label: 'bytes moved',
    heading: 'bytes',
    unit: 'B',
    scale: byteUnits,
    provenance: ['derived'],
    additive: true,
    importance: 5,
    words: amounts,
  }),
] as const;

export type WorkMetric = Extract<(typeof records)[number], { kind: 'work' }>['name'];
export type LatencyMetric = Extract<(typeof records)[number], { kind: 'latency' }>['name'];
export type MetricName = WorkMetric | LatencyMetric;

/** Every metric, in the order of tables. */
export const metrics: (MetricRecord & { readonly name: MetricName })[] = [...records];

/** The record of a metric; `undefined` for a name that this version does not know. */
export function findMetric(name: string): MetricRecord | undefined {
  return metrics.find((metric) => metric.name === name);
}

/** Names of all kinds of work, in the order of tables. */
export function workMetricNames(): readonly WorkMetric[] {
  return metrics.flatMap(({ kind, name }) => (kind === 'work' ? [name as WorkMetric] : []));
}

/** The metrics that `names` holds, the nearest to money first. */
export function byImportance<Name extends MetricName>(names: readonly Name[]): Name[] {
  const rank = (name: Name) => findMetric(name)?.importance ?? Number.POSITIVE_INFINITY;
  return [...names].sort((a, b) => rank(a) - rank(b));
}

/** Metrics in which the stages of a request add up to it. */
export function additiveMetrics(): readonly WorkMetric[] {
  return workMetricNames().filter((name) => findMetric(name)!.additive);
}
