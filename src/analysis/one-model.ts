import { TokenworkError } from '../core/errors.js';
import type { Result } from '../core/result.js';

/**
 * A result taken apart by the models that answered requests, or the one named. Throws TokenworkError `no-such-model`,
 * also for a model that only helped another.
 */
export function resultsByModel(result: Result, wanted?: string): Result[] {
  const answering = result.models.filter(({ id }) => result.cells.some(({ model }) => model === id));
  const ids = wanted === undefined ? answering.map(({ id }) => id) : [wanted];
  return ids.map((id) => resultOfModel(result, id));
}

function resultOfModel(result: Result, id: string): Result {
  const models = result.models.filter((model) => model.id === id);
  if (models.length === 0) {
    throw new TokenworkError(
      'no-such-model',
      `The result has no model "${id}".`,
      `It has: ${result.models.map((model) => model.id).join(', ')}.`,
    );
  }
  const cells = result.cells.filter(({ model }) => model === id);
  if (cells.length === 0) {
    throw new TokenworkError(
      'no-such-model',
      `${id} answered no request of the result: it only helped other models.`,
      `Name one that did: ${[...new Set(result.cells.map(({ model }) => model))].join(', ')}.`,
    );
  }
  const own = new Set(cells.map((cell) => cell.id));
  return { ...result, models, cells, requests: result.requests.filter(({ cell }) => own.has(cell)) };
}
