import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, TokenworkError } from '../core/errors.js';
import { csvOf } from '../report/csv.js';
import type { Table } from '../report/tables/table.js';
import { writeOutputFile } from './output-file.js';

/**
 * Writes each table as a CSV file of `folder`, which is made where there is none; returns the files' paths.
 * Throws TokenworkError `unwritable-output`, and writes nothing, where one of the files is there unless `force`.
 */
export async function writeTables(
  folder: string,
  tables: readonly Table[],
  { force }: { force: boolean },
): Promise<string[]> {
  const files = tables.map((table) => ({ name: `${table.name}.csv`, text: csvOf(table) }));
  const present = new Set(await openFolder(folder));
  const taken = files.filter(({ name }) => present.has(name));
  if (taken.length > 0 && !force) {
    const which = taken.length === 1 ? taken[0]!.name : `${taken[0]!.name} and ${taken.length - 1} more`;
    throw new TokenworkError(
      'unwritable-output',
      `${folder} holds ${which} already.`,
      'Name another folder, or replace them with --force.',
    );
  }
  const paths = [];
  for (const { name, text } of files) {
    const path = join(folder, name);
    await writeOutputFile(path, text);
    paths.push(path);
  }
  return paths;
}

async function openFolder(folder: string): Promise<string[]> {
  try {
    // Not recursive: below a folder in which none can be made, such as /proc, Node would try for ever.
    if (!existsSync(folder)) await mkdir(folder);
    return await readdir(folder);
  } catch (cause) {
    throw new TokenworkError(
      'unwritable-output',
      `${folder} cannot be written to: ${messageOf(cause)}.`,
      'Choose another folder.',
      { cause },
    );
  }
}
