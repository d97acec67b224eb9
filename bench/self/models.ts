import type { Dtype } from '#tokenwork/models/dtype.js';
import type { ModelFolder } from '#tokenwork/models/folder.js';
import { resolveModel } from '#tokenwork/models/resolve.js';

/** The shape that the figures are about, built where it is not yet. */
export function smolLm2(dtype: Dtype): Promise<ModelFolder> {
  return resolveModel('smollm2-135m', { dtype });
}
