import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarizeCells } from '../analysis/cell-summary.js';
import { findingsOf } from '../analysis/findings.js';
import { csvOf } from './csv.js';
import { richResult } from './html/rich-result.test-support.js';
import { tablesOf } from './tables/result.js';
import { columnsOf, type Table } from './tables/table.js';

const read = (table: Pick<Table, 'columns'>): Record<string, string>[] =>
  parse(csvOf(table), { columns: true, record_delimiter: '\r\n', relax_quotes: false });

describe('any table', () => {
  it('is read back as it was, number by number and text by text', () => {
    const row = fc.record({
      text: fc.option(fc.string({ unit: 'grapheme' })),
      amount: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1 }), (rows) => {
        const table = columnsOf(rows);
        const columns = [
          table.number('amount', ({ amount }) => amount, { unit: 'J' }),
          table.text('text, "quoted"', ({ text }) => text, { id: 'text, "quoted"' }),
        ];
        const found = read({ columns });
        expect(found.map((one) => one['text, "quoted"'])).toEqual(rows.map(({ text }) => text ?? ''));
        const numbers = found.map(({ amount_J: amount }) => (amount === '' ? null : Number(amount)));
        expect(numbers).toEqual(rows.map(({ amount }) => (amount === null ? null : amount + 0)));
      }),
    );
  });

  it('ends each line with CRLF, and tells a text that is empty from none', () => {
    const table = columnsOf(['', null]);
    const columns = [table.text('a', (text) => text), table.number('b', () => 0.1 + 0.2, { unit: 'B·s' })];
    expect(csvOf({ columns })).toBe('a,b_B_s\r\n"",0.30000000000000004\r\n,0.30000000000000004\r\n');
  });
});

describe('the tables of a result', () => {
  const result = richResult();
  const findings = findingsOf(result);
  const tables = new Map(tablesOf(result, findings).map((table) => [table.name, table]));

  it('hold the numbers of the findings, with all their digits', () => {
    const rows = read(tables.get('uniformity')!);
    const expected = Object.values(findings.uniformity);
    expect(rows).toHaveLength(expected.length);
    for (const [index, { misbilledShare, gini }] of expected.entries()) {
      const { misbilled_share, misbilled_share_low, misbilled_share_high, gini: shown } = rows[index]!;
      expect([misbilled_share, misbilled_share_low, misbilled_share_high, shown]).toEqual(
        [misbilledShare.value, misbilledShare.low, misbilledShare.high, gini.value].map((value) =>
          value === null ? '' : String(value),
        ),
      );
    }
    const lorenz = Object.values(findings.uniformity).flatMap((uniformity) => uniformity.lorenz);
    expect(read(tables.get('lorenz')!).map((row) => Number(row.share_of_the_work))).toEqual(
      lorenz.map(({ work }) => work),
    );
  });

  it('hold the medians of cells in base units, the unit in each name', () => {
    const rows = read(tables.get('cells')!);
    const summaries = summarizeCells(result);
    expect(rows.map(({ e2e_ns }) => Number(e2e_ns))).toEqual(
      summaries.map(({ metrics }) => metrics.e2e.value),
    );
    expect(rows.map(({ work_FLOP }) => Number(work_FLOP))).toEqual(
      summaries.map(({ metrics }) => metrics.flops.value),
    );
    expect(rows.map(({ cpu_ns }) => Number(cpu_ns))).toEqual(
      summaries.map(({ metrics }) => metrics.cpuTime.value),
    );
  });

  it('have names of their own, one header for each column, and no file without rows', () => {
    expect(tables.size).toBe(tablesOf(result, findings).length);
    for (const [name, table] of tables) {
      const [header, ...rows] = parse(csvOf(table)) as string[][];
      expect(new Set(header).size, name).toBe(header!.length);
      expect(rows.length, name).toBeGreaterThan(0);
      for (const row of rows) expect(row).toHaveLength(header!.length);
    }
  });

  it('say the unit of each row where metrics differ in it', () => {
    const rows = read(tables.get('tariffs')!);
    const units = new Map(rows.map(({ metric, unit }) => [metric, unit]));
    expect(units.get('cpuTime')).toBe('ns');
    expect(units.get('flops')).toBe('FLOP');
  });
});
