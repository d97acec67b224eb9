import type { CostModel } from '../core/cost.js';
import { isDerived, type MetricRecord, metricOf, type WorkMetric, workMetricNames } from '../core/metrics.js';
import { type Metric, notCounted } from '../core/work.js';
import type { LoadedWorker, SensorState } from './workers/protocol.js';

/**
 * Unit, provenance and method of every kind of work, as the workers of this run measure it; null of requests to a
 * server. `records` are of the
 * run's models: where none of them could be counted exactly, what is counted is unavailable as a whole.
 */
export function metricsTable(
  loaded: LoadedWorker | null,
  records: readonly { cost: CostModel | null }[] = [],
): Record<WorkMetric, Metric> {
  const sensors: Partial<Record<WorkMetric, SensorState>> = loaded ? statesOf(loaded) : onServer;
  const entries = workMetricNames().map((name) => [name, entryOf(metricOf(name), sensors[name])]);
  const table = Object.fromEntries(entries) as Record<WorkMetric, Metric>;
  if (records.length === 0 || records.some(({ cost }) => cost !== null && cost.notCounted === undefined))
    return table;
  for (const name of Object.keys(notCounted) as (keyof typeof notCounted)[]) {
    table[name] = {
      unit: table[name].unit,
      provenance: 'unavailable',
      method: 'none',
      reason: 'not-counted',
      hint: records.some(({ cost }) => cost !== null)
        ? 'Part of the graph could not be counted; the warnings say which.'
        : 'A server does not tell the shape of its model: name it with --shape MODEL.',
    };
  }
  return table;
}

/** The CPU time of servers comes with what is sampled. */
const onServer: Partial<Record<WorkMetric, SensorState>> = {
  peakMemory: { reason: 'not-applicable', hint: 'All requests to a server share its memory.' },
};

function statesOf({
  models,
  peakMemory,
}: LoadedWorker): Pick<Record<WorkMetric, SensorState>, 'cpuTime' | 'peakMemory'> {
  const cpuTimes = models.map(({ cpuTime }) => cpuTime);
  // Models open alike; where one cannot be measured, its rows are null and the metric says why.
  return { cpuTime: cpuTimes.find((state) => !('method' in state)) ?? cpuTimes[0]!, peakMemory };
}

function entryOf(record: MetricRecord, sensor: SensorState | undefined): Metric {
  const { unit, derivation } = record;
  if (derivation !== undefined) {
    const provenance = isDerived(record) ? 'derived' : 'measured';
    return { unit, provenance, method: derivation, reason: null, hint: null };
  }
  const unavailable = { unit, provenance: 'unavailable' as const, method: 'none' };
  if (sensor === undefined) {
    // Where something is sampled, folding the journal replaces these.
    return { ...unavailable, reason: 'not-applicable', hint: 'No sensor was sampled in this run.' };
  }
  if (!('method' in sensor)) return { ...unavailable, reason: sensor.reason, hint: sensor.hint };
  return { unit, provenance: 'measured', method: sensor.method, reason: null, hint: null };
}
