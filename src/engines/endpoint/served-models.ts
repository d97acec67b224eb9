import { didYouMean } from '../../core/did-you-mean.js';
import { TokenworkError } from '../../core/errors.js';
import { plainText } from '../../core/text.js';
import { field, list, textOrNull, withoutFolder } from './dialects/fields.js';

/** Names of the models in an answer of `/v1/models`; null where it is no list of them. */
export function servedModels(body: unknown): string[] | null {
  const data = field(body, 'data');
  if (!Array.isArray(data)) return null;
  return [...new Set(list(data).flatMap((entry) => textOrNull(field(entry, 'id')) ?? []))];
}

/** The name under which the model is served. Throws TokenworkError `model-not-served` or `served-model-unnamed`. */
export function chosenModel(served: readonly string[], wanted: string | undefined, shown: string): string {
  if (wanted === undefined) {
    const [only, ...others] = served;
    if (only === undefined)
      throw new TokenworkError(
        'model-not-served',
        `The endpoint ${shown} lists no model.`,
        'Load one on the server, or name with --model one that it loads when it is asked for.',
      );
    if (others.length > 0)
      throw new TokenworkError(
        'served-model-unnamed',
        `The endpoint ${shown} serves ${served.length} models, and none was named.`,
        `Name one with --model: ${listed(served)}.`,
      );
    return only;
  }
  // Ollama's default tag.
  const names = [wanted, `${wanted}:latest`];
  const found =
    served.find((name) => names.includes(name)) ?? served.find((name) => withoutFolder(name) === wanted);
  // A server without a list says by its answer whether it has the model.
  if (found !== undefined || served.length === 0) return found ?? wanted;
  throw new TokenworkError(
    'model-not-served',
    `The endpoint ${shown} does not serve "${plainText(wanted)}".${didYouMean(wanted, served)}`,
    `It serves ${listed(served)}.`,
  );
}

const mostListed = 20;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, mostListed).map((name) => `"${plainText(name).slice(0, 200)}"`);
  const others = names.length - shown.length;
  return others > 0 ? `${shown.join(', ')} and ${others} others` : shown.join(', ');
}
