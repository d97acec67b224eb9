import type { Findings } from '../../analysis/findings.js';
import type { WorkMetric } from '../../core/metrics.js';
import type { Column } from '../terminal/table.js';
import { capitalized, dash } from '../words/format.js';
import { percent } from '../words/headline.js';
import { metricName } from '../words/metric-name.js';
import { interval } from '../words/stages.js';

/** The hidden share by every metric that stages measured, then by pipeline; `null` where none did. */
export function hiddenWorkColumns({ hiddenWork }: Findings): Column[] | null {
  const rows = (
    Object.entries(hiddenWork) as [WorkMetric, NonNullable<Findings['hiddenWork'][WorkMetric]>][]
  ).filter(([, { value }]) => value !== null);
  if (rows.length === 0) return null;
  const pipelines = [
    ...new Set(rows.flatMap(([, { byPipeline }]) => byPipeline?.map(({ pipeline }) => pipeline) ?? [])),
  ];
  const column = (header: string, values: string[], align: Column['align'] = 'right'): Column => ({
    header: [header, ''],
    values,
    align,
    importance: 50,
  });
  return [
    column(
      'work',
      rows.map(([metric]) => capitalized(metricName(metric))),
      'left',
    ),
    column(
      'hidden',
      rows.map(([, hidden]) => interval(hidden)),
    ),
    ...pipelines.map((pipeline) =>
      column(
        `in ${pipeline}`,
        rows.map(([, { byPipeline }]) => {
          const own = byPipeline?.find((share) => share.pipeline === pipeline);
          return own === undefined ? dash : interval(own);
        }),
      ),
    ),
    column(
      'visibility score',
      rows.map(([, { visibilityScore }]) => (visibilityScore === null ? dash : percent(visibilityScore))),
    ),
  ];
}
