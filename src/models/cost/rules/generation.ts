/** Contrib operators whose work depends on data: padding removed, and whole generations in one node. */
import {
  extent,
  input,
  type OpContext,
  type OpResult,
  type RuleTable,
  tensor,
  UnresolvedShape,
} from '../op-rule.js';

function removePadding(): OpResult {
  throw new UnresolvedShape('how many tokens are left without padding depends on the data');
}

/** Input is [tokens, hidden], token_offset [batch, positions]. */
function restorePadding(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  return { outputs: [tensor(dtype, [...input(op, 1).shape, extent(shape, -1)])] };
}

function generation(): OpResult {
  throw new UnresolvedShape('how many passes it makes depends on the data');
}

export const generationRules: RuleTable = {
  RemovePadding: removePadding,
  RestorePadding: restorePadding,
  BeamSearch: generation,
  GreedySearch: generation,
  Sampling: generation,
};
