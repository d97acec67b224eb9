import { z } from 'zod';
import { type Dtype, dtypes } from '../../models/dtype.js';
import type { StagePolicy } from '../../stages/pipeline.js';

/** The task that a role sets its model: to generate, to score labels, or to make a vector. */
export type ModelKind = 'decoder' | 'classification' | 'embedding';

/** A model for a role, as `--model` takes it, in its own default dtype or another. */
export const roleModelSchema = z.union([
  z.string().min(1),
  z.strictObject({ model: z.string().min(1), dtype: z.enum(dtypes).optional() }),
]);

/** A model to be resolved: what was asked for, and in which dtype (`undefined`: the model's own default). */
export interface RoleModel {
  spec: string;
  dtype: Dtype | undefined;
}

/** Models by role, as they are written, in one form. */
export function roleModelsOf(
  models: Readonly<Record<string, z.infer<typeof roleModelSchema>>>,
): Map<string, RoleModel> {
  return new Map(
    Object.entries(models).map(([role, model]) => {
      const { model: spec, dtype } = typeof model === 'string' ? { model, dtype: undefined } : model;
      return [role, { spec, dtype }];
    }),
  );
}

/** The policies that name a model by its role, and the task that each sets it. */
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

/** Two models are one where this is equal. */
export function identityOf({ spec, dtype, kind }: RoleModel & { kind: ModelKind }): string {
  return JSON.stringify([kind, dtype ?? null, spec] satisfies [ModelKind, Dtype | null, string]);
}
