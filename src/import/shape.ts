import type { CostModel } from '../core/cost.js';
import { TokenworkError } from '../core/errors.js';
import { describeModel } from '../models/describe-model.js';
import type { ResolveOptions } from '../models/resolve.js';

/** The shape of a model that another tool measured. */
export interface Shape {
  id: string;
  dtype: string | null;
  cost: CostModel;
}

/** The shape that a spec of a model names, without its weights. Throws as `describeModel` does, and `not-a-decoder`. */
export async function shapeOf(spec: string, options: ResolveOptions): Promise<Shape> {
  const { id, dtype, decoder, cost } = await describeModel(spec, options);
  if (decoder !== null && cost !== null) return { id, dtype, cost };
  throw new TokenworkError(
    'not-a-decoder',
    `${spec} is no decoder with a KV cache, so that nothing can be derived of what it generated.`,
    'Pass the shape of the language model that was served.',
  );
}
