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

/** Origins of a metric's figures; never mixed in one column. */
export const provenances = ['measured', 'attributed', 'derived', 'estimated', 'unavailable'] as const;
type Provenance = (typeof provenances)[number];

/** The part of a successful request that metrics are read from. */
interface MeasuredRequest {
  /** Of a request to a server. */
  served?: { answerToken: number | null } | undefined;
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

/** The part of a stage that metrics are read from. */
interface MeasuredStage {
  work: Readonly<Record<string, number | null | undefined>>;
}

/** Words for less and more of a metric in a comparison. */
export type DirectionWord = 'less' | 'more' | 'faster' | 'slower';

export interface MetricRecord {
  /** Its key in a result file and on the command line. */
  readonly name: string;
  /** In a sentence. */
  readonly label: string;
  /** In a sentence that has room for it, where the label abbreviates it. */
  readonly longName?: string;
  /** Over a column. */
  readonly heading: string;
  /** A phrase that `--help` and the page say. */
  readonly definition: string;
  /** Base unit, in which files carry it. */
  readonly unit: string;
  /** The units that people read, smallest first. */
  readonly scale: readonly DisplayUnit[];
  /** `work`: a key of `request.work`, spent whoever waits; `latency`: what a client waits for. */
  readonly kind: 'work' | 'latency';
  /** Which provenances it can have. */
  readonly provenance: readonly Provenance[];
  /** The computation, where its figures are computed: from counts alone (derived), or with times that were measured. */
  readonly derivation?: string;
  /**
   * What of it adds up. Stages to their request: what they spend, and the KV cache that each leaves. Requests to a
   * total, of which shares are held against bills: what is spent, and byte-seconds; else `noTotal` says why not.
   */
  readonly addsUp: { readonly stages: boolean; readonly noTotal: string | null };
  /** Spent for good, as time and energy are; memory is held and given back. */
  readonly spent: boolean;
  /** Rank among metrics, 1 the nearest to money; what a result is about is the first that it measured. */
  readonly importance: number;
  /** Words for less and more of it in a comparison. */
  readonly words: { readonly less: DirectionWord; readonly more: DirectionWord };
  /** Its columns in the table of cells, those of the largest priority kept longest on narrow screens. */
  readonly column?: {
    readonly priority: number;
    /** Columns that are read against each other, and so share a unit. */
    readonly unitGroup?: string;
    /** Said below the table, where the heading needs it. */
    readonly note?: string;
    readonly perBilledToken?: { readonly heading: string; readonly priority: number };
  };
  /** In base units; `null` where it was not measured. `batch`: rows that ran side by side in the request. */
  ofRequest(request: MeasuredRequest, batch: number): number | null;
  /** In base units; `null` where it was not measured of stages. */
  ofStage(stage: MeasuredStage): number | null;
}

const times = { less: 'faster', more: 'slower' } as const;
const amounts = { less: 'less', more: 'more' } as const;

const both = { stages: true, noTotal: null } as const;
const held = 'requests hold it one after the other, so that it adds up to nothing';

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
  record: Pick<
    MetricRecord,
    'label' | 'longName' | 'heading' | 'definition' | 'importance' | 'column' | 'ofRequest'
  > & { name: Name },
) {
  return {
    ...record,
    kind: 'latency' as const,
    unit: 'ns',
    scale: nanosecondUnits,
    provenance: ['measured'] as const,
    addsUp: { stages: false, noTotal: 'requests wait side by side' },
    spent: true,
    words: times,
    ofStage: () => null,
  };
}

const records = [
  latency({
    name: 'ttft',
    label: 'TTFT',
    longName: 'time to first token',
    heading: 'TTFT',
    definition: 'from submission to the first token',
    column: { priority: 90, unitGroup: 'request', note: 'TTFT and E2E from submission' },
    importance: 8,
    ofRequest: (request) => request.times.firstToken - request.times.submitted,
  }),
  latency({
    name: 'tpot',
    label: 'TPOT',
    longName: 'time per output token',
    heading: 'TPOT',
    definition: '(last token − first token)/(shown tokens of a row − 1)',
    column: { priority: 80, note: 'TPOT = (E2E − TTFT)/(n − 1)' },
    importance: 7,
    // (last token − first token) ÷ (n − 1), n the shown tokens of one row: rows come out side by side.
    // A server that streams its reasoning shows it.
    ofRequest: ({ tokens, times, served }, batch) => {
      const hidden = served?.answerToken == null ? tokens.reasoning : 0;
      const gaps = (tokens.completion - hidden) / batch - 1;
      return gaps < 1 ? null : (times.lastToken - times.firstToken) / gaps;
    },
  }),
  latency({
    name: 'e2e',
    label: 'E2E latency',
    longName: 'end-to-end time',
    heading: 'E2E',
    definition: 'from submission to the end of the last stage',
    column: { priority: 85, unitGroup: 'request' },
    importance: 6,
    // Results from before stages came after the last token end with it.
    ofRequest: ({ times }) => (times.ended ?? times.lastToken) - times.submitted,
  }),
  work({
    name: 'cpuTime',
    label: 'CPU time',
    heading: 'CPU',
    definition: 'time that the processor worked for the request, over all its threads',
    column: { priority: 70, perBilledToken: { heading: 'CPU/token', priority: 95 } },
    unit: 'ns',
    scale: nanosecondUnits,
    provenance: ['measured', 'attributed', 'unavailable'],
    addsUp: both,
    spent: true,
    importance: 3,
    words: times,
  }),
  work({
    name: 'gpuTime',
    label: 'GPU time',
    heading: 'GPU',
    definition: 'time that the GPU worked for the request',
    column: { priority: 71 },
    unit: 'ns',
    scale: nanosecondUnits,
    provenance: ['measured', 'attributed', 'estimated', 'unavailable'],
    addsUp: both,
    spent: true,
    importance: 2,
    words: times,
  }),
  work({
    name: 'energy',
    label: 'energy',
    heading: 'energy',
    definition: 'energy of the devices that the method names, their resting power included',
    column: {
      priority: 88,
      note: 'energy: resting power included',
      perBilledToken: { heading: 'J/token', priority: 94 },
    },
    unit: 'J',
    scale: jouleUnits,
    provenance: ['measured', 'attributed', 'estimated', 'unavailable'],
    addsUp: both,
    spent: true,
    importance: 1,
    words: amounts,
  }),
  {
    ...work({
      name: 'peakMemory',
      label: 'peak memory',
      heading: 'peak mem',
      definition: 'most memory held above what was held before the request',
      column: { priority: 60 },
      unit: 'B',
      scale: byteUnits,
      provenance: ['measured', 'unavailable'],
      addsUp: { stages: false, noTotal: held },
      spent: false,
      importance: 9,
      words: amounts,
    }),
    // A request that holds more than its peak was served from memory that requests before it had left.
    ofRequest: ({ work: { peakMemory = null, kvBytes = null } }: MeasuredRequest) =>
      peakMemory === null || peakMemory < (kvBytes ?? 0) ? null : peakMemory,
  },
  work({
    name: 'kvBytes',
    label: 'KV cache size',
    heading: 'KV',
    definition: 'size of the KV cache at the end of the request',
    derivation: 'cached positions × bytes per position, from the shape and dtype of the cache',
    unit: 'B',
    scale: byteUnits,
    provenance: ['derived'],
    addsUp: { stages: true, noTotal: held },
    spent: false,
    importance: 10,
    words: amounts,
  }),
  work({
    name: 'kvByteSeconds',
    label: 'KV cache held over time',
    heading: 'KV held',
    definition: 'bytes in the KV cache, integrated over the request',
    derivation:
      'KV bytes held, counted from the shape of the cache, × the time that was measured: those of a step from its start on, integrated over the request',
    unit: 'B·s',
    scale: byteSecondUnits,
    provenance: ['measured'],
    addsUp: both,
    spent: false,
    importance: 11,
    words: amounts,
  }),
  work({
    name: 'flops',
    label: 'FLOPs',
    heading: 'work',
    definition: 'floating-point operations of the model, a multiply-add being two',
    derivation:
      'matrix products of the graph, 1 multiply-add = 2 FLOP, full attention rectangle; summed over prefill and every decode step',
    column: { priority: 55 },
    unit: 'FLOP',
    scale: flopUnits,
    provenance: ['derived'],
    addsUp: both,
    spent: true,
    importance: 4,
    words: amounts,
  }),
  work({
    name: 'memoryTraffic',
    label: 'memory traffic',
    heading: 'traffic',
    definition: 'bytes of weights and KV cache read and written, which memory has to carry',
    derivation:
      'weights and KV read, KV written, summed over prefill and every decode step; positions copied from and to a prefix cache, read and written; vectors searched',
    unit: 'B',
    scale: byteUnits,
    provenance: ['derived'],
    addsUp: both,
    spent: true,
    importance: 5,
    words: amounts,
  }),
  work({
    name: 'activationBytes',
    label: 'activations',
    heading: 'activations',
    definition:
      'bytes that operators hand to each other, as tensors; most stay in a cache and never reach memory',
    derivation:
      'activations that the operators of the graph read and write, summed over prefill and every decode step',
    unit: 'B',
    scale: byteUnits,
    provenance: ['derived'],
    addsUp: { stages: true, noTotal: 'most of it stays in a cache, and costs no memory traffic' },
    spent: true,
    importance: 12,
    words: amounts,
  }),
] as const;

export type WorkMetric = Extract<(typeof records)[number], { kind: 'work' }>['name'];
type LatencyMetric = Extract<(typeof records)[number], { kind: 'latency' }>['name'];
export type MetricName = WorkMetric | LatencyMetric;

/** Every metric, in the order of tables. */
export const metrics: (MetricRecord & { readonly name: MetricName })[] = [...records];

/** The record of a metric; `undefined` for a name that this version does not know. */
export function findMetric(name: string): MetricRecord | undefined {
  return metrics.find((metric) => metric.name === name);
}

/** The record of a metric. */
export function metricOf(name: MetricName): MetricRecord {
  return findMetric(name)!;
}

/** Names of all kinds of work, in the order of tables. */
export function workMetricNames(): readonly WorkMetric[] {
  return metrics.flatMap(({ kind, name }) => (kind === 'work' ? [name as WorkMetric] : []));
}

/** The metrics that `names` holds, the nearest to money first; those that this version does not know last. */
export function byImportance<Name extends string>(names: readonly Name[]): Name[] {
  const rank = (name: Name) => findMetric(name)?.importance ?? Number.POSITIVE_INFINITY;
  return [...names].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

/** Metrics in which the stages of a request add up to it. */
export function additiveMetrics(): readonly WorkMetric[] {
  return workMetricNames().filter((name) => metricOf(name).addsUp.stages);
}

/** Whether a metric is only ever computed: it changes with the workload and the model, not with the machine. */
export function isDerived({ provenance }: MetricRecord): boolean {
  return provenance.every((kind) => kind === 'derived');
}
