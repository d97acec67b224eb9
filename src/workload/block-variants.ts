import type { FactorValue } from '../core/question.js';
import type { Block } from './block.js';
import type { Pipeline } from './pipelines/pipeline.js';
import { type PipelineVariant, pipelineVariants, plainVariant, policyFactors } from './pipelines/variants.js';
import type { Suite } from './suite.js';

/** The pipelines of a block with what its policies make of them; plain chat where it names none. */
export function variantsOf(block: Block, suite: Suite, instead: Pipeline | undefined): PipelineVariant[] {
  if (instead && !isReference(block)) return pipelineVariants([instead], {});
  const named = (block.pipelines ?? []).map((name) => suite.pipelines.get(name)!);
  return named.length === 0 ? [plainVariant] : pipelineVariants(named, block.policies);
}

/** Whether the block is the request that plain tokens are measured by. */
function isReference({ promptTokens, completionTokens, batch, pipelines }: Block): boolean {
  return (
    [promptTokens, completionTokens].every((lengths) => lengths?.length === 1 && lengths[0] === 128) &&
    batch.every((rows) => rows === 1) &&
    pipelines === undefined
  );
}

/** Whether requests of the suite go through other pipelines than plain chat. */
export function hasPipelines({ design }: Suite, instead: Pipeline | undefined): boolean {
  return instead !== undefined || design.some(({ pipelines }) => pipelines !== undefined);
}

/**
 * Keys of the policies that a pipeline has several values of over the suite: its factors, and parts of
 * cells' ids. In what else two pipelines differ, their names say.
 */
export function varyingPolicies(suite: Suite, instead: Pipeline | undefined): string[] {
  const { design } = suite;
  const keys = [...new Set(design.flatMap(({ policies }) => Object.keys(policies)))];
  const values = new Map<string, Set<FactorValue>>();
  for (const { pipeline, stages } of design.flatMap((block) => variantsOf(block, suite, instead))) {
    for (const [key, value] of Object.entries(policyFactors(stages, keys))) {
      const own = JSON.stringify([pipeline.name, key]);
      values.set(own, (values.get(own) ?? new Set()).add(value));
    }
  }
  const varying = new Set([...values].filter(([, seen]) => seen.size > 1).map(([own]) => JSON.parse(own)[1]));
  return keys.filter((key) => varying.has(key));
}
