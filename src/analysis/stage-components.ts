import type { Stage, StageType } from '../core/result.js';

/** What the public debate calls the parts of answering a request. */
const components: Record<StageType, string> = {
  tokenization: 'Input tokenization',
  safety: 'Safety/alignment passes',
  retrieval: 'Context retrieval',
  cache: 'Cache management',
  prefill: 'Base forward pass (prefill)',
  reasoning: 'Internal reasoning',
  decode: 'Output generation (decode)',
  speculation: 'Draft and verify',
  detokenization: 'Output detokenization',
};

/** The component a stage belongs to: by its type, or its name where that is one; else the name itself. */
export function componentOf({ type, name }: Pick<Stage, 'type' | 'name'>): string {
  return components[type ?? (name as StageType)] ?? name;
}
