import type { Table } from './tables/table.js';

/**
 * A table as CSV (RFC 4180): a header with units, raw numbers in base units with all their digits, nothing for
 * what is absent, and both ends of an interval in columns of their own.
 */
export function csvOf({ columns }: Pick<Table, 'columns'>): string {
  const fields = columns.flatMap(({ id, unit, values, ends }) => {
    const name = (what: string) =>
      [id, what, unit.replace('·', '_').replace('/', '_per_')].filter((part) => part !== '');
    return [
      ...(values === null ? [] : [{ header: name('').join('_'), values }]),
      ...(ends === undefined
        ? []
        : [
            { header: name('low').join('_'), values: ends.low },
            { header: name('high').join('_'), values: ends.high },
          ]),
    ];
  });
  const rows = columns[0]?.text.map((_, row) => fields.map(({ values }) => values[row] ?? null)) ?? [];
  return [fields.map(({ header }) => header), ...rows].map(csvLine).join('');
}

/** Fields as a line of CSV. Nothing at all stands for what is absent, so that a text which is empty is quoted. */
export function csvLine(fields: readonly (number | string | boolean | null)[]): string {
  return `${fields.map(fieldOf).join(',')}\r\n`;
}

function fieldOf(value: number | string | boolean | null): string {
  if (value === null) return '';
  const text = String(value);
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
