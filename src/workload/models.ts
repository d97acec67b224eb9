import type { Dtype } from '../models/dtype.js';
import type { Suite } from './suite.js';

/** A model to be resolved: what was asked for, and in which dtype (`undefined`: the model's own default). */
export interface WantedModel {
  spec: string;
  dtype: Dtype | undefined;
}

/** The models a run needs: the suite's own, or those the user names instead; `dtype` goes for all. */
export function wantedModels(
  suite: Suite | null,
  { models, dtype }: { models?: readonly string[] | undefined; dtype?: Dtype | undefined } = {},
): WantedModel[] {
  const wanted =
    models !== undefined && models.length > 0
      ? models.map((spec) => ({ spec, dtype }))
      : (suite?.models ?? []).map((model) => ({ spec: model.model, dtype: dtype ?? model.dtype }));
  const byIdentity = new Map(wanted.map((model) => [`${model.dtype} ${model.spec}`, model]));
  return [...byIdentity.values()];
}

/**
 * What cells and results call each of a run's models: its own id; with the dtype behind it where several
 * dtypes of one id run (`llama-3-8b-q4`); and with a number where two still share a name (two folders).
 */
export function modelIds(models: readonly { id: string; dtype: string }[]): string[] {
  const named = models.map(({ id, dtype }) => {
    const dtypesOfId = new Set(models.filter((other) => other.id === id).map((other) => other.dtype));
    return dtypesOfId.size > 1 ? `${id}-${dtype}` : id;
  });
  const taken = new Set<string>();
  return named.map((name) => {
    let unique = name;
    for (let number = 2; taken.has(unique) || (unique !== name && named.includes(unique)); number++) {
      unique = `${name}-${number}`;
    }
    taken.add(unique);
    return unique;
  });
}
