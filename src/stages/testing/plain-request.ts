import type { RequestInput } from '../request.js';

/** Three prompt tokens, four to be generated. */
export const plainRequest: RequestInput = {
  prompt: { kind: 'ids', ids: [1, 2, 3] },
  completionTokens: 4,
  batch: 1,
  stop: 'forced',
  sampling: { kind: 'greedy' },
  deadlineNs: null,
};
