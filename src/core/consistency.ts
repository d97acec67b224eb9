import { TokenworkError } from './errors.js';
import type { RequestRow, Result } from './result.js';

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
  for (const request of requests) {
    if (!ids.has(request.cell)) throw unlistedCell(request.id, request.cell);
    refuseBackwards(request);
  }
}

/** Throws TokenworkError `inconsistent-result` where a request's times run backwards. */
export function refuseBackwards({ id, times }: RequestRow): void {
  if (times === null) return;
  const { submitted, started, firstToken, lastToken } = times;
  let last = submitted;
  for (const time of [started, firstToken, lastToken]) {
    if (time === null) continue;
    if (time < last) throw inconsistent(`The times of request ${id} run backwards`);
    last = time;
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
