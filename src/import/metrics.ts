import type { CostModel } from '../core/cost.js';
import { isDerived, type MetricRecord, metrics } from '../core/metrics.js';
import type { Metric } from '../core/work.js';

/** Unit, provenance and method of every metric of a result that was imported. */
export function importedMetrics(tool: string, cost: CostModel | null): Record<string, Metric> {
  return Object.fromEntries(metrics.map((record) => [record.name, entryOf(record, tool, cost)]));
}

function entryOf(record: MetricRecord, tool: string, cost: CostModel | null): Metric {
  const { unit, kind, derivation } = record;
  if (kind === 'latency')
    return { unit, provenance: 'measured', method: `as recorded by ${tool}`, reason: null, hint: null };
  const absent = { unit, provenance: 'unavailable' as const, method: 'none' };
  if (derivation === undefined)
    return { ...absent, reason: 'unsupported', hint: `${tool} does not record it.` };
  // Of a graph that was counted in part, the cache is known all the same.
  const counted = cost !== null && (cost.notCounted === undefined || record.name.startsWith('kv'));
  if (!counted) {
    const hint = cost === null ? 'Import again with --shape.' : 'Part of the graph could not be counted.';
    return { ...absent, reason: 'not-counted', hint };
  }
  const provenance = isDerived(record) ? 'derived' : 'measured';
  return {
    unit,
    provenance,
    method: `${derivation}; of the tokens that ${tool} recorded, as if alone`,
    reason: null,
    hint: null,
  };
}
