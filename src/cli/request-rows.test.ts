import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { afterAll, describe, expect, it } from 'vitest';
import { okRequest, testResult } from '../analysis/result.test-support.js';
import { refuseRowsTarget, writeRows } from './request-rows.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-rows-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const result = testResult({ requests: [okRequest()] });

describe('the file of rows', () => {
  it('is CSV or Parquet by its ending', async () => {
    const [csv, parquet] = [join(scratch, 'rows.CSV'), join(scratch, 'rows.parquet')];
    expect(await writeRows(csv, [result, result])).toBe(2);
    expect(readFileSync(csv, 'utf8')).toMatch(/^run_id,request_id,.*\r\nrun-1,0,.*\r\nrun-1,0,.*\r\n$/);
    expect(await writeRows(parquet, [result])).toBe(1);
    const { num_rows, key_value_metadata } = parquetMetadata(new Uint8Array(readFileSync(parquet)).buffer);
    expect(num_rows).toBe(1n);
    expect(key_value_metadata).toEqual([
      { key: 'tokenwork.version', value: '0.1.0' },
      { key: 'tokenwork.schema_version', value: String(result.schemaVersion) },
      { key: 'tokenwork.run_id', value: 'run-1' },
    ]);
  });

  it('must have an ending that says what it is', async () => {
    await expect(refuseRowsTarget('rows.xlsx', true)).rejects.toMatchObject({
      ...{ code: 'bad-option', exitCode: 2, message: expect.stringContaining('rows.xlsx') },
      hint: expect.stringContaining('.parquet'),
    });
    await expect(refuseRowsTarget('-', false)).resolves.toBeUndefined();
  });

  it('replaces another only where that is forced', async () => {
    const path = join(scratch, 'kept.csv');
    writeFileSync(path, 'kept');
    await expect(refuseRowsTarget(path, false)).rejects.toMatchObject({
      ...{ code: 'unwritable-output', exitCode: 2, hint: expect.stringContaining('--force') },
    });
    await expect(refuseRowsTarget(path, true)).resolves.toBeUndefined();
  });

  it('leaves nothing behind where it cannot be written', async () => {
    const path = join(scratch, 'none/rows.parquet');
    await expect(writeRows(path, [result])).rejects.toMatchObject({
      ...{ code: 'unwritable-output', exitCode: 2, message: expect.stringContaining(path) },
    });
    expect(readdirSync(scratch).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
