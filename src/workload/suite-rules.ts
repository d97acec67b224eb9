import { closest } from 'fastest-levenshtein';
import { messageOf } from '../core/errors.js';
import type { JsonPath } from '../core/json/schema-issue.js';
import { nameOf } from '../stages/pipeline.js';
import type { Block } from './block.js';
import type { JsonDocument } from './document.js';
import type { Pipeline } from './pipelines/pipeline.js';
import { pipelineVariants, unbatched } from './pipelines/variants.js';
import type { Prompt } from './prompts.js';

/** The prompts and pipelines that a suite may name. */
interface Available {
  prompts: ReadonlyMap<string, Prompt>;
  pipelines: ReadonlyMap<string, Pipeline>;
}

/** The prompts and pipelines that the design names. Throws the document's error for one there is not. */
export function namedIn(design: readonly Block[], available: Available, document: JsonDocument): Available {
  const prompts = new Map<string, Prompt>();
  const pipelines = new Map<string, Pipeline>();
  const find = <Item>(from: ReadonlyMap<string, Item>, name: string, what: string, path: JsonPath): Item => {
    const item = from.get(name);
    if (item !== undefined) return item;
    throw document.error(path, `no ${what} is called "${name}"${nearest(name, [...from.keys()])}`);
  };
  for (const [index, block] of design.entries()) {
    for (const [position, name] of (block.prompts ?? []).entries()) {
      const path = ['design', index, 'prompts', position];
      prompts.set(name, find(available.prompts, name, 'prompt', path));
    }
    for (const [position, name] of (block.pipelines ?? []).entries()) {
      const path = ['design', index, 'pipelines', position];
      pipelines.set(name, find(available.pipelines, name, 'pipeline', path));
    }
  }
  return { prompts, pipelines };
}

/** Refuses policies that no pipeline of the block has, and batches of stages that run none. */
export function checkBlock(
  block: Block,
  index: number,
  available: ReadonlyMap<string, Pipeline>,
  document: JsonDocument,
): void {
  const pipelines = (block.pipelines ?? []).map((name) => available.get(name)!);
  for (const [key, values] of Object.entries(block.policies)) {
    for (const [position, value] of values.entries()) {
      const path = ['design', index, 'policies', key, position];
      try {
        if (pipelineVariants(pipelines, { [key]: [value] }).some(({ levels }) => Object.hasOwn(levels, key)))
          continue;
      } catch (cause) {
        throw document.error(path, messageOf(cause), cause);
      }
      const stages = pipelines.flatMap((pipeline) => pipeline.stages.map((stage) => nameOf(stage)));
      throw document.error(
        ['design', index, 'policies', key],
        `no pipeline of the block has the stage that "${key}" names as STAGE.POLICY (there are ${stages.join(', ') || 'none: the block names no pipelines'})`,
      );
    }
  }
  const batched = block.batch.findIndex((batch) => batch > 1);
  if (batched < 0) return;
  const [alone] = pipelineVariants(pipelines, block.policies).flatMap(
    ({ stages }) => unbatched(stages) ?? [],
  );
  if (alone === undefined) return;
  throw document.error(
    ['design', index, 'batch', batched],
    `the stage "${alone.name}" runs one sequence at a time, and no batch of ${block.batch[batched]}: ${alone.reason}`,
  );
}

/** A suggestion of the nearest known name, to be appended to an error. */
export function nearest(name: string, known: readonly string[]): string {
  return known.length === 0 ? '' : `, perhaps "${closest(name, [...known])}" is meant`;
}
