import { TokenworkError } from './errors.js';
import type { RequestRow, Result } from './result.js';

/**
 * What a schema cannot say: cells are listed once, every request belongs to one of them, no time runs
 * backwards, and no figure is too large to be added to others. Throws TokenworkError `inconsistent-result`.
 */
export function refuseInconsistent({ requests, ...head }: Result): void {
  const { cells } = head;
  refuseBoundless(head, () => 'The result');
  const ids = new Set<string>();
  for (const { id } of cells) {
    if (ids.has(id)) throw inconsistent(`The cell "${id}" is listed twice`);
    ids.add(id);
  }
  for (const request of requests) {
    if (!ids.has(request.cell)) throw unlistedCell(request.id, request.cell);
    refuseImpossible(request);
  }
}

/** Throws TokenworkError `inconsistent-result` for a request whose times run backwards or whose figures no machine has. */
export function refuseImpossible(request: RequestRow): void {
  const { id, times } = request;
  refuseBoundless(request, () => `Request ${id}`);
  if (times === null) return;
  const { submitted, started, firstToken, lastToken } = times;
  let last = submitted;
  for (const time of [started, firstToken, lastToken]) {
    if (time === null) continue;
    if (time < last) throw inconsistent(`The times of request ${id} run backwards`);
    last = time;
  }
}

/**
 * Far above what any machine does in any unit, and so far below the largest double (1.8e308) that the sums of
 * squares and cubes of a million such figures are finite.
 */
const largestFigure = 1e60;

/** Throws TokenworkError `inconsistent-result` where a number anywhere in `value` is beyond `largestFigure`. */
function refuseBoundless(value: unknown, owner: () => string): void {
  if (typeof value === 'number') {
    if (Math.abs(value) <= largestFigure) return;
    throw inconsistent(`${owner()} holds a figure of ${value}, which cannot be added to others`);
  }
  if (typeof value !== 'object' || value === null) return;
  for (const part of Object.values(value)) refuseBoundless(part, owner);
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
