import { parquetWriteBuffer } from 'hyparquet-writer';
import type { RowColumn } from './request-columns.js';

const types = { integer: 'INT64', number: 'DOUBLE', boolean: 'BOOLEAN', text: 'STRING' } as const;

/** Columns as an Apache Parquet file, every column nullable, with `metadata` as its key-value metadata. */
export function parquetBytes(
  columns: readonly RowColumn[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: columns.map(({ name, type, values }) => ({
        name,
        type: types[type],
        nullable: true,
        data: type === 'integer' ? values.map((value) => (value === null ? null : BigInt(value))) : values,
      })),
      kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
      createdBy: 'tokenwork',
    }),
  );
}
