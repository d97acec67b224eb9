import { byImportance, metricOf, type WorkMetric, workMetricNames } from '../../core/metrics.js';
import type { ModelRecord } from '../../core/records/model.js';
import type { Hardware, Result } from '../../core/result.js';
import type { Metric } from '../../core/work.js';
import type { Findings } from '../findings.js';
import { type PlainToken, plainTokenOf, referenceCells } from '../plain-token.js';
import type { RequestTable } from '../requests/request-table.js';
import { tableOf } from '../requests/table-builder.js';
import type { HiddenWork } from '../stages/hidden-work.js';
import { totalsOf } from '../uniformity/cell-totals.js';
import { estimateNoise } from '../uniformity/within-cell-noise.js';
import { type CostAtBatch, type CostByLength, costByBatch, costByLength } from './cost-by-length.js';

/** The cost of a plain token by one figure, or the reason why it is not known. */
export interface PlainCost {
  /** `time` is that of the whole request, without queueing. */
  figure: 'time' | WorkMetric;
  unit: string;
  value: number | null;
  low: number | null;
  high: number | null;
  reason?: string;
}

/** The change of a billed token's cost by one metric with its request. */
interface CostChanges {
  metric: WorkMetric;
  unit: string;
  /** Cost of a plain token by that metric; `null` where the run has no reference request. */
  plain: number | null;
  byLength: CostByLength | null;
  byBatch: CostAtBatch[];
}

/**
 * What tokens of one model cost on one machine; `tokenwork report FILE --card --json` prints it. Made to be
 * published beside the model's card: it holds all that is needed to understand it and to measure it again.
 */
export interface CostCard {
  cardVersion: 1;
  model: Pick<ModelRecord, 'id' | 'dtype' | 'parameters' | 'source' | 'sha256' | 'graphVariant' | 'engine'>;
  hardware: Hardware;
  /** Wall-clock start of the run. */
  measuredAt: string;
  workload: Findings['workload'];
  /** The reference request's cell; `null` where the run has none. */
  plainTokenCell: string | null;
  plainToken: PlainCost[];
  /** By the most telling metric; `null` where nothing was measured. */
  changes: CostChanges | null;
  uniformity: Findings['uniformity'];
  hiddenWork: Partial<Record<WorkMetric, Omit<HiddenWork, 'byCell'>>>;
  components: Findings['components'];
  stages: Findings['stages'];
  /** How each figure was measured. */
  metrics: Record<string, Metric>;
  reproduce: { command: string; seed: number; version: string; commit: string | null; complete: boolean };
}

/** The card of the only model of a result, from the findings on it. */
export function costCard(result: Result, findings: Findings): CostCard {
  const { id, dtype, parameters, source, sha256, graphVariant, engine } = result.models[0]!;
  const { run, hardware, tool } = result;
  const table = tableOf(result);
  const plainToken = [
    timePerPlainToken(table),
    // A token costs what is spent on it, whoever runs it; memory is held and given back.
    ...workMetricNames()
      .filter((name) => metricOf(name).spent)
      .map((metric) => plainCost(findings, result, metric)),
  ];
  const { workload, uniformity, components, stages } = findings;
  return {
    cardVersion: 1,
    model: { id, dtype, parameters, source, sha256, graphVariant, engine },
    hardware,
    measuredAt: run.startedAt,
    workload,
    plainTokenCell: Object.values(findings.plainToken).find(({ cell }) => cell !== null)?.cell ?? null,
    plainToken,
    changes: costChanges(table, findings),
    uniformity,
    hiddenWork: hiddenWork(findings),
    components,
    stages,
    metrics: result.metrics,
    reproduce: {
      command: run.command,
      seed: run.seed,
      version: tool.version,
      commit: tool.commit,
      complete: run.complete,
    },
  };
}

function plainCost(
  { plainToken, notMeasured }: Findings,
  { metrics }: Result,
  metric: WorkMetric,
): PlainCost {
  const figure = { figure: metric, unit: metrics[metric]?.unit ?? metricOf(metric).unit };
  const found = plainToken[metric];
  if (found !== undefined) return plainCostOf(figure, found);
  return { ...figure, value: null, low: null, high: null, reason: notMeasured[metric] ?? 'not measured' };
}

function timePerPlainToken(table: RequestTable): PlainCost {
  const time = table.times.ended.map((ended, i) => ended - table.times.started[i]!);
  const totals = totalsOf(table, time);
  const noise = estimateNoise(table, totals, time);
  const found = plainTokenOf(table, referenceCells(table), totals, noise, 'ns/token');
  return plainCostOf({ figure: 'time', unit: 'ns' }, found);
}

function plainCostOf(figure: Pick<PlainCost, 'figure' | 'unit'>, plain: PlainToken): PlainCost {
  const { value, low, high, reason } = plain;
  return { ...figure, value, low, high, ...(reason !== undefined && { reason }) };
}

function costChanges(table: RequestTable, findings: Findings): CostChanges | null {
  const metric = byImportance(Object.keys(findings.uniformity) as WorkMetric[])[0];
  if (metric === undefined) return null;
  const totals = totalsOf(table, table.metrics[metric]);
  return {
    metric,
    unit: findings.uniformity[metric]!.unit,
    plain: findings.plainToken[metric]?.value ?? null,
    byLength: costByLength(table, totals),
    byBatch: costByBatch(table, totals),
  };
}

function hiddenWork({ hiddenWork: byMetric }: Findings): CostCard['hiddenWork'] {
  const entries = Object.entries(byMetric).map(([metric, { byCell, ...hidden }]) => [metric, hidden]);
  return Object.fromEntries(entries) as CostCard['hiddenWork'];
}
