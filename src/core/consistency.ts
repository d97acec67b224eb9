import { TokenworkError } from './errors.js';
import type { Result } from './result.js';

/**
 * What a schema cannot say: cells are listed once, every request belongs to one of them, and no time runs
 * backwards. Throws TokenworkError `inconsistent-result`.
 */
export function refuseInconsistent({ cells, requests }: Result): void {
  const ids = new Set<string>();
  for (const { id } of cells) {
    if (ids.has(id)) throw inconsistent(`The cell "${id}" is listed twice`);
    ids.add(id);
  }
  for (const { id, cell, times } of requests) {
    if (!ids.has(cell)) throw unlistedCell(id, cell);
    if (times === null) continue;
    const { submitted, started, firstToken, lastToken } = times;
    const known = [submitted, started, firstToken, lastToken].filter((time) => time !== null);
    if (known.some((time, index) => index > 0 && time < known[index - 1]!)) {
      throw inconsistent(`The times of request ${id} run backwards`);
    }
  }
}

export function unlistedCell(request: number, cell: string): TokenworkError {
  return inconsistent(`Request ${request} belongs to the cell "${cell}", which the result does not list`);
}

function inconsistent(problem: string): TokenworkError {
  return new TokenworkError(
    'inconsistent-result',
    `${problem}.`,
    'The file was edited by hand or cut together; use the one that tokenwork wrote.',
  );
}
