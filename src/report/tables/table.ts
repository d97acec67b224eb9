/**
 * tables/ builds every table once, as data: raw numbers in base units for files, and the texts that people
 * read. terminal/, markdown/, html/ and csv.ts render them.
 */
import type { DisplayUnit } from '../../core/units.js';
import {
  dash,
  type Estimate,
  formatEstimate,
  formatInterval,
  formatNumber,
  type NumberStyle,
  numbers,
  unitFor,
} from '../words/format.js';

/** The part of a column that a person is shown. */
export interface ShownColumn {
  /** Two lines at most: the name, and below it the unit, or what tells it from its neighbours. */
  header: readonly [name: string, below: string];
  /** A text per row. */
  text: readonly string[];
  align: 'left' | 'right';
  /** Written to files alone, where the texts beside it say the same. */
  fileOnly?: boolean;
  /** On a narrow screen the column of the least priority goes first; the first two stay. */
  priority: number;
}

export interface Column extends ShownColumn {
  /** Its name in a file, without the unit. */
  id: string;
  /** Base unit of the values; empty for text and for plain numbers. */
  unit: string;
  /** In the base unit; `null` for a column that holds nothing but the ends of intervals. */
  values: readonly (number | string | null)[] | null;
  /** The ends of 95% intervals, or of another range that the header names. */
  ends?: { low: readonly (number | null)[]; high: readonly (number | null)[] };
}

export interface Table {
  /** Its file's name, without the ending. */
  name: string;
  /** Over it, for those who cannot see what stands around it. */
  title: string;
  columns: readonly Column[];
  /** Sentences on how to read it. */
  notes?: readonly string[];
}

type Header = string | readonly [name: string, below: string];

interface ColumnOptions {
  id?: string;
  priority?: number;
  align?: Column['align'];
  fileOnly?: boolean;
}

interface NumberOptions<Row> extends ColumnOptions {
  unit?: string;
  show?: (value: number, row: Row) => string;
  absent?: string;
}

/** Makes columns out of rows. */
export function columnsOf<Row>(rows: readonly Row[]) {
  const column = (
    header: Header,
    options: ColumnOptions,
    rest: Pick<Column, 'text' | 'values' | 'align' | 'unit'>,
  ) => {
    const both = typeof header === 'string' ? ([header, ''] as const) : header;
    return { id: options.id ?? slug(both.join(' ')), header: both, priority: 50, ...rest, ...options };
  };
  return {
    text(header: Header, value: (row: Row) => string | null, options: ColumnOptions = {}): Column {
      const values = rows.map(value);
      return column(header, options, {
        values,
        text: values.map((text) => text ?? ''),
        align: 'left',
        unit: '',
      });
    },
    number(header: Header, value: (row: Row) => number | null, options: NumberOptions<Row> = {}): Column {
      const { unit = '', show = formatNumber, absent = dash, ...rest } = options;
      const values = rows.map(value);
      const text = rows.map((row, index) => (values[index] === null ? absent : show(values[index]!, row)));
      return column(header, rest, { values, text, align: 'right', unit });
    },
    /** A column in one unit of a scale, so that rows compare by eye. */
    quantity(
      name: string,
      value: (row: Row) => number | null,
      {
        unit,
        scale,
        ...options
      }: ColumnOptions & { unit: string; scale: readonly DisplayUnit[] | DisplayUnit },
    ): Column {
      const values = rows.map(value);
      const shown = 'per' in scale ? scale : unitOf(values, scale);
      const text = values.map((own) => formatNumber(own === null ? null : own / shown.per));
      return column(
        [name, shown.name],
        { id: slug(name), ...options },
        { values, text, align: 'right', unit },
      );
    },
    /** Figures with their 95% intervals: `8.3% [7.5–9.0%]`. */
    estimate(
      header: Header,
      value: (row: Row) => Estimate,
      { unit = '', style = numbers, ...options }: ColumnOptions & { unit?: string; style?: NumberStyle } = {},
    ): Column {
      const found = rows.map(value);
      return {
        ...column(header, options, {
          values: found.map((estimate) => estimate.value),
          text: found.map((estimate) => formatEstimate(estimate, style)),
          align: 'right',
          unit,
        }),
        ends: { low: found.map(({ low }) => low), high: found.map(({ high }) => high) },
      };
    },
    /** The ends of intervals alone: `7.5–9.0%`. */
    ends(
      header: Header,
      value: (row: Row) => { low: number | null; high: number | null } | null,
      {
        unit = '',
        style = numbers,
        show = (low, high, own) => formatInterval(low, high, own),
        ...options
      }: ColumnOptions & {
        unit?: string;
        style?: NumberStyle | ((row: Row) => NumberStyle);
        show?: (low: number | null, high: number | null, style: NumberStyle) => string;
      } = {},
    ): Column {
      const found = rows.map((row) => value(row) ?? { low: null, high: null });
      const styleOf = (row: Row) => (typeof style === 'function' ? style(row) : style);
      return {
        ...column(header, options, {
          values: null,
          text: found.map(({ low, high }, index) => show(low, high, styleOf(rows[index]!))),
          align: 'right',
          unit,
        }),
        ends: { low: found.map(({ low }) => low), high: found.map(({ high }) => high) },
      };
    },
  };
}

/** The columns that people read. */
export function readColumns<Any extends ShownColumn>(columns: readonly Any[]): Any[] {
  return columns.filter(({ fileOnly }) => fileOnly !== true);
}

/** The columns of a table that have these ids, in this order. */
export function pickColumns({ columns }: Pick<Table, 'columns'>, ids: readonly string[]): Column[] {
  return ids.flatMap((id) => columns.filter((column) => column.id === id));
}

/** Tables of one kind below each other; where their units differ, a column says each row's. */
export function stackedTables(keyName: string, tables: readonly { key: string; table: Table }[]): Column[] {
  const all = tables.flatMap(({ table }) => table.columns);
  const identity = ({ id, values }: Column) => `${id} ${values === null}`;
  const kinds = [...new Map(all.map((column) => [identity(column), column])).values()];
  const spread = <Item>(
    of: (column: Column | undefined) => readonly Item[] | undefined,
    none: Item,
    kind: Column,
  ) =>
    tables.flatMap(({ table }) => {
      const column = table.columns.find((own) => identity(own) === identity(kind));
      return of(column) ?? Array<Item>(rowCount(table)).fill(none);
    });
  const differs = (id: string) =>
    new Set(all.filter((column) => column.id === id).map(({ unit }) => unit)).size > 1;
  const columns = kinds.map(
    (kind): Column => ({
      ...kind,
      unit: differs(kind.id) ? '' : kind.unit,
      text: spread((column) => column?.text, '', kind),
      values: kind.values && spread((column) => column?.values ?? undefined, null, kind),
      ...(kind.ends && {
        ends: {
          low: spread((column) => column?.ends?.low, null, kind),
          high: spread((column) => column?.ends?.high, null, kind),
        },
      }),
    }),
  );
  const label = (id: string, of: (one: { key: string; table: Table }) => string): Column => {
    const values = tables.flatMap((one) => Array<string>(rowCount(one.table)).fill(of(one)));
    return {
      id,
      header: [id, ''],
      unit: '',
      align: 'left',
      priority: 100,
      values,
      text: values,
      fileOnly: id === 'unit',
    };
  };
  const unitOf = ({ table }: { table: Table }) => table.columns.find(({ id }) => differs(id))?.unit ?? '';
  const units = kinds.some(({ id }) => differs(id)) ? [label('unit', unitOf)] : [];
  return [label(keyName, ({ key }) => key), ...units, ...columns];
}

export function rowCount({ columns }: Pick<Table, 'columns'>): number {
  return columns[0]!.text.length;
}

/** The unit that suits the smallest value, or a larger one where the largest would have five digits. */
export function unitOf(values: readonly (number | null)[], scale: readonly DisplayUnit[]): DisplayUnit {
  const positive = values.flatMap((value) => (value !== null && value > 0 ? [value] : []));
  if (positive.length === 0) return scale[0]!;
  const largest = positive.reduce((most, value) => Math.max(most, value));
  const suited = scale.indexOf(
    unitFor(
      positive.reduce((least, value) => Math.min(least, value)),
      scale,
    ),
  );
  return scale.slice(suited).find(({ per }) => largest < 10_000 * per) ?? scale.at(-1)!;
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replaceAll('²', '2')
    .replaceAll('÷', 'over')
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');
}
