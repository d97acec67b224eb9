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
  return [fields.map(({ header }) => header), ...rows]
    .map((row) => `${row.map(fieldOf).join(',')}\r\n`)
    .join('');
}

function fieldOf(value: number | string | null): string {
  if (value === null) return '';
  const text = String(value);
  // Text that is empty is quoted, as nothing at all stands for what is absent.
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
