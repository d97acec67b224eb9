import type { PolicyOf } from './pipeline.js';
import type { RequestState } from './request.js';

export async function runSafety(policy: PolicyOf<'safety'>, state: RequestState): Promise<void> {
  throw new Error(`${policy.type} ${state.input.batch}`);
}
