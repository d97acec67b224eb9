import type { PolicyOf } from './pipeline.js';
import type { RequestState } from './request.js';

export async function runRetrieval(policy: PolicyOf<'retrieval'>, state: RequestState): Promise<void> {
  throw new Error(`${policy.type} ${state.input.batch}`);
}
