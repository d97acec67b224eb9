import type { Knee } from '../../analysis/knee.js';
import { nanosecondUnits } from '../../core/units.js';
import { formatPercent, ratios } from '../words/format.js';
import { heldWords } from '../words/knee.js';
import { columnsOf, type Table } from './table.js';

/** The steps of every sweep: what arrived, what was answered, and whether the server held the rate. */
export function sweepTable(knees: readonly Knee[]): Table {
  const rows = knees.flatMap(({ model, steps, percentile }) =>
    steps.map((step) => ({ model, percentile, ...step })),
  );
  const table = columnsOf(rows);
  const percentiles = [...new Set(knees.map(({ percentile }) => percentile))].join(' or ');
  return {
    name: 'sweep',
    title: 'Rates of the sweep',
    columns: [
      table.number(['rate', 'requests/s'], ({ rate }) => rate, { id: 'request_rate', priority: 100 }),
      ...(knees.length > 1 ? [table.text('model', ({ model }) => model, { priority: 90 })] : []),
      table.number('requests', ({ requests }) => requests, { priority: 30, show: String }),
      table.number('failed', ({ failed }) => failed, { priority: 60, show: String }),
      table.number('achieved', ({ achieved }) => achieved, { priority: 80, show: formatPercent }),
      table.quantity(`TTFT ${percentiles}`, ({ timeToFirstTokenNs }) => timeToFirstTokenNs, {
        id: 'time_to_first_token',
        unit: 'ns',
        scale: nanosecondUnits,
        priority: 85,
      }),
      table.estimate('slowdown', ({ slowdown }) => ({ value: slowdown, low: null, high: null }), {
        style: ratios,
        priority: 50,
      }),
      table.text('outcome', heldWords, { priority: 95 }),
    ],
  };
}
