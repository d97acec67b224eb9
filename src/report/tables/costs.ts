import type { Band, CostAtBatch, CostByLength } from '../../analysis/card/cost-by-length.js';
import type { PlainCost } from '../../analysis/card/cost-card.js';
import { axisUnit, formatInterval, formatNumber, formatWithUnit, inUnit } from '../words/format.js';
import { metricName } from '../words/names.js';
import { columnsOf, type Table } from './table.js';

/** Costs of a plain token by every figure that is known. */
export function plainTokenTable(costs: readonly PlainCost[]): Table {
  const table = columnsOf(costs);
  return {
    name: 'plain-token',
    title: 'What one plain token costs',
    columns: [
      table.text('one plain token costs', ({ figure }) => figureName(figure), { id: 'figure' }),
      table.text('unit', ({ unit }) => unit, { fileOnly: true }),
      table.number(['', ''], ({ value }) => value, {
        id: 'cost',
        show: (value, { unit }) => formatWithUnit(value, unit),
      }),
      table.ends('95% interval', (cost) => cost, {
        id: 'cost',
        style: ({ unit, high }) => inUnit(axisUnit(unit, high ?? 0)),
        show: formatInterval,
      }),
    ],
  };
}

export function figureName(figure: PlainCost['figure']): string {
  return figure === 'time' ? 'time' : metricName(figure);
}

/** Prompt lengths down, completion lengths across; in plain tokens where there is one. */
export function lengthsTable(
  { promptTokens, completionTokens, perToken }: CostByLength,
  { plain, unit }: { plain: number | null; unit: string },
): Table {
  const table = columnsOf(promptTokens.map((band, index) => ({ band, costs: perToken[index]! })));
  return {
    name: 'cost-by-length',
    title: 'Cost per billed token, by length of the request',
    columns: [
      table.text('prompt tokens', ({ band }) => bandName(band)),
      ...completionTokens.map((band, column) =>
        table.number(`${bandName(band)} completion`, ({ costs }) => costs[column] ?? null, {
          unit,
          show: (value) => (plain === null ? formatWithUnit(value, unit) : formatNumber(value / plain)),
        }),
      ),
    ],
  };
}

/** Cost per billed token in a batch, over the smallest one. */
export function batchesTable(costs: readonly CostAtBatch[]): Table {
  const table = columnsOf(costs);
  return {
    name: 'cost-by-batch',
    title: 'Cost per billed token in a batch, over the smallest one',
    columns: [
      table.number('batch', ({ batch }) => batch, { show: String }),
      table.number('cost per token', ({ ratio }) => ratio, { show: (ratio) => `${formatNumber(ratio)}×` }),
      table.number('cells', ({ cells }) => cells, { show: String }),
    ],
  };
}

function bandName({ from, to }: Band): string {
  return from === to ? String(from) : `${from}–${to}`;
}
