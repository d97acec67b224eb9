import type { Dtype } from '../models/dtype.js';
import type { Pipeline } from './pipelines/pipeline.js';
import { identityOf, type ModelKind, type RoleModel, roleUses } from './pipelines/roles.js';
import type { Suite } from './suite.js';

/** The models a run needs: the suite's own, or those the user names instead; `dtype` goes for all. */
export function wantedModels(
  suite: Suite | null,
  { models, dtype }: { models?: readonly string[] | undefined; dtype?: Dtype | undefined } = {},
): RoleModel[] {
  const wanted =
    models !== undefined && models.length > 0
      ? models.map((spec) => ({ spec, dtype }))
      : (suite?.models ?? []).map((model) => ({ spec: model.model, dtype: dtype ?? model.dtype }));
  const byIdentity = new Map(wanted.map((model) => [`${model.dtype} ${model.spec}`, model]));
  return [...byIdentity.values()];
}

/** A model that a pipeline has a role for. */
export interface HelperModel extends RoleModel {
  kind: ModelKind;
  roles: string[];
}

/** The models that pipelines have roles for, each once, the chat model not among them. */
export function helperModels(pipelines: Iterable<Pipeline>): HelperModel[] {
  const helpers = new Map<string, HelperModel>();
  for (const { stages, models } of pipelines) {
    for (const { role, kind } of roleUses(stages)) {
      const model = models.get(role);
      if (model === undefined) continue;
      const helper = helpers.get(identityOf({ ...model, kind })) ?? { ...model, kind, roles: [] };
      helpers.set(identityOf(helper), helper);
      if (!helper.roles.includes(role)) helper.roles.push(role);
    }
  }
  return [...helpers.values()];
}

/**
 * The name of each of a run's models in cells and results: its own id; with the dtype behind it where several
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
