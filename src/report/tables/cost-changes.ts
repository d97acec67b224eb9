import type { Band, CostAtBatch, CostByLength } from '../../analysis/card/cost-by-length.js';
import { formatWithUnit } from '../html/units.js';
import type { Column } from '../terminal/table.js';
import { dash, formatNumber } from '../words/format.js';

/** Prompt lengths down, completion lengths across; in plain tokens where there is one. */
export function lengthColumns(
  { promptTokens, completionTokens, perToken }: CostByLength,
  { plain, unit }: { plain: number | null; unit: string },
): Column[] {
  const show = (value: number | null) => {
    if (value === null) return dash;
    return plain === null ? formatWithUnit(value, unit) : formatNumber(value / plain);
  };
  return [
    { header: ['prompt tokens', ''], align: 'left', importance: 1, values: promptTokens.map(bandName) },
    ...completionTokens.map(
      (band, column): Column => ({
        header: [`${bandName(band)} completion`, ''],
        align: 'right',
        importance: 1,
        values: perToken.map((row) => show(row[column] ?? null)),
      }),
    ),
  ];
}

export function batchColumns(costs: readonly CostAtBatch[]): Column[] {
  return [
    {
      header: ['batch', ''],
      align: 'right',
      importance: 1,
      values: costs.map(({ batch }) => String(batch)),
    },
    {
      header: ['cost per token', ''],
      align: 'right',
      importance: 1,
      values: costs.map(({ ratio }) => `${formatNumber(ratio)}×`),
    },
    {
      header: ['cells', ''],
      align: 'right',
      importance: 1,
      values: costs.map(({ cells }) => String(cells)),
    },
  ];
}

function bandName({ from, to }: Band): string {
  return from === to ? String(from) : `${from}–${to}`;
}
