import type { StageType } from '../../core/result.js';
import type { StageKind } from '../requests/request-table.js';

/** Names that the public debate has for the parts of answering a request, in the order of its table. */
const components: Record<StageType, string> = {
  tokenization: 'Input tokenization',
  prefill: 'Base forward pass (prefill)',
  safety: 'Safety/alignment passes',
  retrieval: 'Context retrieval',
  reasoning: 'Internal reasoning',
  decode: 'Output generation (decode)',
  speculation: 'Draft and verify',
  cache: 'Cache management',
  detokenization: 'Output detokenization',
};

export const inOrder = Object.entries(components);
/** By any name, as a stage may bear. */
const byName = new Map<string, string>(inOrder);

/** The component a stage belongs to: by its type, or its name where that is one; else the name itself. */
export function componentOf({ type, name }: StageKind): string {
  return byName.get(type ?? name) ?? name;
}
