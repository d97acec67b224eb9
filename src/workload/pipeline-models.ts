import type { Dtype } from '../models/dtype.js';
import type { StagePolicy } from '../stages/pipeline.js';
import type { Pipeline, RoleModel } from './pipeline.js';

/** What a pipeline wants of a model: generating, scores of labels, or a vector. */
export type ModelKind = 'decoder' | 'classification' | 'embedding';

/** The policies that name a model by its role, and what they want of it. */
const roleFields = {
  classifier: 'classification',
  verifier: 'decoder',
  embedder: 'embedding',
  draft: 'decoder',
} as const satisfies Record<string, ModelKind>;

/** A policy of a stage that names a role. */
export interface RoleUse {
  stage: StagePolicy;
  field: keyof typeof roleFields;
  role: string;
  kind: ModelKind;
}

/** Every policy of the stages that names a role, `chat` among them. */
export function roleUses(stages: readonly StagePolicy[]): RoleUse[] {
  return stages.flatMap((stage) =>
    (Object.keys(roleFields) as (keyof typeof roleFields)[]).flatMap((field) => {
      const role = (stage as Partial<Record<typeof field, string | null>>)[field];
      return role === undefined || role === null ? [] : [{ stage, field, role, kind: roleFields[field] }];
    }),
  );
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

/** Two models are one where this is equal. */
export function identityOf({ spec, dtype, kind }: RoleModel & { kind: ModelKind }): string {
  return JSON.stringify([kind, dtype ?? null, spec] satisfies [ModelKind, Dtype | null, string]);
}
