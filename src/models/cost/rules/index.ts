/**
 * rules/ holds what each operator costs and yields, a file per family. An operator without a rule is
 * unknown and reported by name; a rule never guesses.
 */

import { convolutionRules } from '../any-graph/convolution.js';
import { recurrentRules } from '../any-graph/recurrent.js';
import { spectralRules } from '../any-graph/spectral.js';
import type { Rule, RuleTable } from '../op-rule.js';
import { attentionRules, contribAttentionRules } from './attention.js';
import { elementwiseRules } from './elementwise.js';
import { generationRules } from './generation.js';
import { indexingRules } from './indexing.js';
import { matrixProductRules } from './matrix-products.js';
import { mixtureRules } from './mixture.js';
import { movementRules } from './movement.js';
import { quantisedRules } from './quantised.js';
import { reductionRules } from './reduction.js';
import { shapeRules } from './shape.js';

/** Operators of ONNX and of com.microsoft; names the two share mean the same, but for the second table. */
const shared: RuleTable = {
  ...shapeRules,
  ...movementRules,
  ...indexingRules,
  ...elementwiseRules,
  ...reductionRules,
  ...matrixProductRules,
  ...convolutionRules,
  ...quantisedRules,
  ...attentionRules,
  ...mixtureRules,
  ...recurrentRules,
  ...spectralRules,
  ...generationRules,
};
const known = new Map(Object.entries(shared));
const contrib = new Map(Object.entries(contribAttentionRules));
const contribDomain = 'com.microsoft';
const domains = new Set(['', 'ai.onnx', contribDomain]);

export { unhandledIn } from './handled.js';

/** Names of all operators that have a rule, those of com.microsoft's own with their domain. */
export const ruledOperators: readonly string[] = [
  ...known.keys(),
  ...[...contrib.keys()].map((name) => `${contribDomain}.${name}`),
];

export function ruleFor(domain: string, opType: string): Rule | undefined {
  if (!domains.has(domain)) return undefined;
  return (domain === contribDomain ? contrib.get(opType) : undefined) ?? known.get(opType);
}
