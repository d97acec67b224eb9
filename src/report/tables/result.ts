import { costCard } from '../../analysis/card/cost-card.js';
import { summarizeCells } from '../../analysis/cell-summary.js';
import type { Findings } from '../../analysis/findings.js';
import { kneesOf } from '../../analysis/knee.js';
import { latencyDistributions } from '../../analysis/latency-distribution.js';
import { rooflineOf } from '../../analysis/roofline.js';
import type { WorkMetric } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { cellTable } from './cells.js';
import { batchesTable, lengthsTable, plainTokenTable } from './costs.js';
import {
  ceilingsTable,
  channelsTable,
  conservationTable,
  failuresTable,
  latencyTable,
  percentilesTable,
  provenanceTable,
  rooflineTable,
  sensorsTable,
  warningsTable,
} from './run.js';
import { componentsTable, hiddenWorkTable, questionsTable, stagesTable, waterfallTable } from './stages.js';
import { sweepTable } from './sweep.js';
import { rowCount, stackedTables, type Table } from './table.js';
import {
  driversTable,
  effectiveTokensTable,
  lorenzTable,
  tariffsTable,
  uniformityTable,
  worstCellsTable,
} from './uniformity.js';

/** Every table on a result that has rows. Those of a kind that each metric has are one, a column naming it. */
export function tablesOf(result: Result, findings: Findings): Table[] {
  const metrics = Object.keys(findings.uniformity) as WorkMetric[];
  const staged = Object.keys(findings.hiddenWork) as WorkMetric[];
  const byMetric = (name: string, of: readonly WorkMetric[], build: (metric: WorkMetric) => Table | null) =>
    stacked(
      name,
      'metric',
      of.map((metric) => [metric, build(metric)]),
    );
  const { ceilings } = result.hardware;
  const tables: (Table | null)[] = [
    cellTable(summarizeCells(result)),
    uniformityTable(findings),
    byMetric('worst-cells', metrics, (metric) => worstCellsTable(findings, metric)),
    byMetric('lorenz', metrics, (metric) => lorenzTable(findings, metric)),
    byMetric('drivers', metrics, (metric) => driversTable(findings, metric)),
    byMetric('tariffs', metrics, (metric) => tariffsTable(findings, metric)),
    byMetric('effective-tokens', metrics, (metric) =>
      effectiveTokensTable(findings.effectiveTokens?.[metric] ?? [], findings, metric),
    ),
    hiddenWorkTable(findings),
    byMetric('components', staged, (metric) => componentsTable(findings, metric)),
    byMetric('stages', staged, (metric) => stagesTable(findings, metric)),
    stacked(
      'waterfalls',
      'request',
      findings.waterfalls.map((one) => [one.of, waterfallTable(one)]),
    ),
    questionsTable(findings),
    ...(result.models.length === 1 ? costTables(result, findings) : []),
    sweepTable(kneesOf(result)),
    percentilesTable(result),
    ...latencyDistributions(result).map(latencyTable),
    rooflineTable(rooflineOf(result)?.points ?? [], findings.workload.models),
    channelsTable(result.timeline ?? []),
    provenanceTable(result.metrics),
    conservationTable(result),
    ceilings && ceilingsTable(ceilings),
    sensorsTable(result),
    warningsTable(result),
    failuresTable(result),
  ];
  return tables.flatMap((table) => (table !== null && rowCount(table) > 0 ? [table] : []));
}

function costTables(result: Result, findings: Findings): Table[] {
  const { plainToken, changes } = costCard(result, findings);
  return [
    plainTokenTable(plainToken.filter(({ value }) => value !== null)),
    ...(changes?.byLength ? [lengthsTable(changes.byLength, changes)] : []),
    ...(changes === null ? [] : [batchesTable(changes.byBatch)]),
  ];
}

function stacked(
  name: string,
  key: string,
  tables: readonly (readonly [string, Table | null])[],
): Table | null {
  const known = tables.flatMap(([own, table]) => (table === null ? [] : [{ key: own, table }]));
  if (known.length === 0) return null;
  return { name, title: known[0]!.table.title, columns: stackedTables(key, known) };
}
