import type { MetricName, WorkMetric } from '../../core/metrics.js';
import type { Cell, StageType } from '../../core/result.js';
import { type AbsenceReason, absenceReason } from '../../core/work.js';

/**
 * The requests of a run that succeeded, as typed columns with one entry each: a million of them take bytes
 * and not objects.
 */
export interface RequestTable {
  /** How many there are, and how many failed. */
  size: number;
  failed: number;
  cells: readonly Cell[];
  models: readonly string[];
  /** Per cell, the index of its model. */
  modelOfCell: Uint32Array;
  /** Per request, the index of its cell. */
  cell: Uint32Array;
  /** Per request, which of its cell's requests it is, from 0, and the round of the run that it ran in, from 0. */
  repetition: Uint32Array;
  round: Uint32Array;
  rounds: number;
  promptTokens: Float64Array;
  completionTokens: Float64Array;
  cachedTokens: Float64Array;
  hiddenTokens: Float64Array;
  /** ns from the run's start. */
  times: Readonly<Record<RequestTime, Float64Array>>;
  /** In base units; `NaN` where it was not measured. */
  metrics: Readonly<Record<MetricName, Float64Array>>;
  /**
   * Standard error of attributed work as a share of it, by its own 95% interval; 0 where a request has none. Without the
   * metrics of which no request has one.
   */
  attributionErrors: Readonly<Partial<Record<WorkMetric, Float64Array>>>;
  /** Why a metric is not there, as `absenceReasons` number it from 1; 0 where the row gives no reason. */
  absent: Readonly<Partial<Record<WorkMetric, Uint8Array>>>;
  stages: StageTable;
}

/** `ended`: the end of the last stage, or of the last token where no stage came after it. */
export const requestTimes = ['submitted', 'started', 'firstToken', 'lastToken', 'ended'] as const;
type RequestTime = (typeof requestTimes)[number];

/** The stages of all requests, one entry each time that a stage ran, request by request. */
export interface StageTable {
  /** Names that `stage` numbers, in the order first met. */
  kinds: readonly StageKind[];
  /** Request i has the entries from `first[i]` up to, without, `first[i + 1]`, in the order in which they ran. */
  first: Uint32Array;
  stage: Uint16Array;
  /** 1 where its work moves a field of `usage`. */
  visible: Uint8Array;
  /** Positions that a model evaluated. */
  positions: Float64Array;
  billed: Float64Array;
  /** Billed tokens that were read from a cache. */
  cached: Float64Array;
  /** In base units, `NaN` where it was not measured; without the metrics that no stage measured. */
  metrics: Readonly<Partial<Record<MetricName, Float64Array>>>;
}

export interface StageKind {
  name: string;
  /** Absent in results from before there were pipelines, whose names are types. */
  type: StageType | undefined;
}

/** The reasons that `absent` numbers. */
export const absenceReasons: readonly AbsenceReason[] = absenceReason.options;
