import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { failedRequest, okRequest, testResult } from '../../analysis/result.test-support.js';
import type { Result } from '../../core/result.js';
import { csvPieces } from './csv.js';
import { parquetBytes } from './parquet.js';
import { type RowColumn, requestColumns } from './request-columns.js';

const cell = (id: string, factors: Result['cells'][number]['factors']) => ({ id, model: 'm', factors });
const result = testResult({
  cells: [
    cell('a', { promptTokens: 4, batch: 1, 'reasoning.tokens': 8, share: 0.5, flagged: true, level: 1 }),
    cell('b', { promptTokens: 8, batch: 2, share: 1, flagged: false, level: 'high' }),
  ],
  requests: [
    okRequest({ cell: 'a', times: { submitted: 0, started: 1, firstToken: 5, lastToken: 9, ended: 11 } }),
    okRequest({ id: 1, cell: 'b', absent: { energy: 'lost' }, runsInWindow: 3 }),
    failedRequest({ id: 2, cell: 'b', work: { cpuTime: 12 } }),
  ],
});
const other = testResult({
  run: { ...result.run, id: 'run-2' },
  cells: [cell('c', { depth: 1 })],
  requests: [okRequest({ cell: 'c' })],
});

const rowsOf = (columns: readonly RowColumn[]) =>
  (columns[0]?.values ?? []).map((_, row) =>
    Object.fromEntries(columns.map(({ name, values }) => [name, values[row]])),
  );

describe('the rows of a result', () => {
  const rows = rowsOf(requestColumns([result]));

  it('carry what the request was, took and used, in base units', () => {
    expect(rows[0]).toMatchObject({
      run_id: 'run-1',
      request_id: 0,
      model: 'm',
      cell: 'a',
      factor_prompt_tokens: 4,
      factor_reasoning_tokens: 8,
      factor_share: 0.5,
      factor_flagged: true,
      outcome: 'ok',
      outcome_code: null,
      completion_tokens: 3,
      first_token_ns: 5,
      ended_ns: 11,
      runs_in_window: 1,
      ttft_ns: 5,
      tpot_ns: 2,
      e2e_ns: 11,
      cpu_time_ns: 700,
      peak_memory_bytes: 4096,
      kv_bytes: 64,
      kv_byte_seconds: 1,
      flops: 1000,
      memory_traffic_bytes: 400,
      activation_bytes: 100,
    });
  });

  it('say why a figure is absent: for the request, else for the run, else for the latency', () => {
    expect(rows[0]).toMatchObject({
      energy_j: null,
      energy_j_absent: 'permission',
      cpu_time_ns_absent: null,
    });
    // 3 tokens of 2 rows in lockstep are too few for a gap between tokens.
    expect(rows[1]).toMatchObject({ energy_j_absent: 'lost', tpot_ns: null, tpot_ns_absent: 'too-short' });
  });

  it('hold of a failed request its code and what it used', () => {
    expect(rows[2]).toMatchObject({
      ...{ outcome: 'failed', outcome_code: 'worker-died', prompt_tokens: null, submitted_ns: null },
      ...{ ttft_ns: null, ttft_ns_absent: null, cpu_time_ns: 12, energy_j: null },
    });
  });

  it('hold what a server said of its requests, and no such column where none was asked', () => {
    const served = {
      ...{ replica: 'r1', retries: 2, finishReason: 'length', usageFrom: null, toldCached: false },
      ...{ clientTokens: 7, events: 5, answerToken: null, times: null },
    };
    const asked = testResult({ ...result, requests: [okRequest({ cell: 'a', served })] });
    expect(rowsOf(requestColumns([asked]))[0]).toMatchObject({
      ...{ served_replica: 'r1', served_retries: 2, served_finish_reason: 'length' },
      ...{ served_client_tokens: 7, served_usage_from: null, served_events: 5 },
    });
    expect(Object.keys(rows[0]!).filter((name) => name.startsWith('served'))).toEqual([]);
  });

  it('of several results lie one after the other, with the factors of all', () => {
    const both = rowsOf(requestColumns([result, other]));
    expect(both.map(({ run_id }) => run_id)).toEqual(['run-1', 'run-1', 'run-1', 'run-2']);
    expect(both[0]).toMatchObject({ factor_depth: null, factor_level: '1' });
    expect(both[3]).toMatchObject({ factor_depth: 1, factor_level: null });
  });

  it('keep apart factors whose names differ by their spelling alone', () => {
    const alike = testResult({
      cells: [cell('a', { 'a.b': 1, aB: 2 })],
      requests: [okRequest({ cell: 'a' })],
    });
    expect(rowsOf(requestColumns([alike]))[0]).toMatchObject({ factor_a_b: 1, factor_a_b_2: 2 });
  });
});

const columnsOf = (texts: readonly (string | null)[], numbers: readonly (number | null)[]): RowColumn[] => [
  { name: 'a "quoted", name', type: 'text', values: [...texts] },
  { name: 'integer', type: 'integer', values: texts.map((text) => text?.length ?? null) },
  { name: 'number', type: 'number', values: texts.map((_, row) => numbers[row] ?? null) },
  { name: 'boolean', type: 'boolean', values: texts.map((text) => (text === null ? null : text === '')) },
];
const texts = fc.array(fc.option(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '"', '\r\n'))), {
  maxLength: 30,
});
const numbers = fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })));

describe('CSV', () => {
  it('is read back as it was, an empty text apart from nothing', () => {
    fc.assert(
      fc.property(texts, numbers, (some, others) => {
        const columns = columnsOf(some, others);
        const read = parse([...csvPieces(columns)].join(''), {
          record_delimiter: '\r\n',
          cast: (value, { header, quoting }) => (header || quoting || value !== '' ? value : null),
        }) as unknown as (string | null)[][];
        const written = rowsOf(columns).map((row) =>
          Object.values(row).map((value) => (value == null ? null : String(value))),
        );
        expect(read).toEqual([columns.map(({ name }) => name), ...written]);
      }),
    );
  });

  it('comes in pieces that are one text', () => {
    const values = Array.from({ length: 2500 }, (_, index) => index);
    const pieces = [...csvPieces([{ name: 'n', type: 'integer', values }])];
    expect(pieces.length).toBe(4);
    expect(pieces.join('')).toBe(['n', ...values].map((value) => `${value}\r\n`).join(''));
  });
});

describe('Parquet', () => {
  const bufferOf = (columns: readonly RowColumn[]) => parquetBytes(columns, { key: 'value' }).slice().buffer;
  /** INT64 comes as bigint. */
  const plain = (rows: Record<string, unknown>[]) =>
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          typeof value === 'bigint' ? Number(value) : (value ?? null),
        ]),
      ),
    );

  it('is read back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(texts, numbers, async (some, others) => {
        const columns = columnsOf(some, others);
        const read = await parquetReadObjects({ file: bufferOf(columns) });
        expect(plain(read)).toEqual(rowsOf(columns));
      }),
      { numRuns: 50 },
    );
  });

  it('holds the rows of results with nullable columns of their types', async () => {
    const columns = requestColumns([result, other]);
    const file = bufferOf(columns);
    const metadata = parquetMetadata(file);
    expect(metadata.key_value_metadata).toContainEqual({ key: 'key', value: 'value' });
    const elements = parquetSchema(metadata).children.map(({ element }) => element);
    const typeOf = (name: string) => elements.find((element) => element.name === name);
    expect(elements.every(({ repetition_type }) => repetition_type === 'OPTIONAL')).toBe(true);
    expect(typeOf('run_id')).toMatchObject({ type: 'BYTE_ARRAY', converted_type: 'UTF8' });
    expect(typeOf('first_token_ns')).toMatchObject({ type: 'INT64' });
    expect(typeOf('energy_j')).toMatchObject({ type: 'DOUBLE' });
    expect(typeOf('factor_flagged')).toMatchObject({ type: 'BOOLEAN' });
    expect(typeOf('factor_share')).toMatchObject({ type: 'DOUBLE' });
    expect(typeOf('factor_level')).toMatchObject({ type: 'BYTE_ARRAY' });
    expect(plain(await parquetReadObjects({ file }))).toEqual(rowsOf(columns));
  });
});
