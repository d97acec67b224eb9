import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { TokenworkError } from '../../core/errors.js';
import { describeIssue, firstIssue, type JsonPath } from '../../core/json/schema-issue.js';
import { namedRecord } from '../../core/named-record.js';
import { plainText } from '../../core/text.js';
import { locateModel } from '../../models/resolve.js';
import { nameOf, type PolicyType, type StagePolicy, stageSchemas } from '../../stages/pipeline.js';
import { type JsonDocument, readDocument } from '../document.js';
import {
  describeShipped,
  isPath,
  listShipped,
  readNamedFile,
  type Shelf,
  type ShippedFile,
} from '../shipped-file.js';
import { type RoleModel, roleModelSchema, roleModelsOf } from './roles.js';
import { orderStages } from './stage-order.js';
import { checkStages } from './stage-rules.js';

const pipelineSchema = z.strictObject({
  description: z.string().min(1),
  /** Models by role: a recipe or a folder, as `--model` takes them. The role `chat` is the cell's model. */
  models: namedRecord(roleModelSchema).default({}),
  stages: z.array(z.looseObject({ type: z.string() })).min(1),
});

/** A file of bench/pipelines/, checked, its stages in the order they run. */
export interface Pipeline {
  name: string;
  description: string;
  models: ReadonlyMap<string, RoleModel>;
  stages: readonly StagePolicy[];
}

const shelf: Shelf = {
  kind: 'pipeline',
  directory: fileURLToPath(new URL('../../../bench/pipelines/', import.meta.url)),
};

/** Names of the shipped pipelines. */
export const listPipelines = (): Promise<string[]> => listShipped(shelf);

/** The shipped pipelines with their descriptions. */
export const describePipelines = (): ShippedFile[] => describeShipped(shelf);

/**
 * A shipped pipeline by name, or one from a file where the argument looks like a path (`.json` or a
 * slash). Throws TokenworkError `unknown-pipeline`, `unreadable-pipeline` or `bad-pipeline`, the latter
 * naming file, line and JSON path.
 */
export async function loadPipeline(nameOrPath: string): Promise<Pipeline> {
  const { path, text } = await readNamedFile(nameOrPath, shelf);
  const pipeline = parsePipeline(text, path);
  // Those that are shipped are known to have theirs.
  if (isPath(nameOrPath)) await refuseMissingModels(pipeline, documentOf(text, path));
  return pipeline;
}

/** Throws the document's error for a model that there is none of. */
async function refuseMissingModels({ models }: Pipeline, document: JsonDocument): Promise<void> {
  for (const [role, { spec }] of models) {
    try {
      await locateModel(spec);
    } catch (cause) {
      if (!(cause instanceof TokenworkError)) throw cause;
      const path = ['models', role];
      throw document.error(
        path,
        `${cause.message.replace(/\.$/, '')} (${cause.hint.replace(/\.$/, '')})`,
        cause,
      );
    }
  }
}

/** A pipeline from its JSON; `path` is named in errors, and its base name is the pipeline's name. */
export function parsePipeline(text: string, path: string): Pipeline {
  const document = documentOf(text, path);
  const { description, models, stages: raw } = document.parse(pipelineSchema);
  const policies = raw.map((stage, index) => parseStage(stage, ['stages', index], document));
  const roles = roleModelsOf(models);
  const stages = orderStages(policies, document);
  checkStages(policies, stages, [...roles.keys()], document);
  return { name: plainText(basename(path).replace(/\.json$/i, '')), description, models: roles, stages };
}

function documentOf(text: string, path: string): JsonDocument {
  return readDocument(text, {
    path,
    code: 'bad-pipeline',
    hint: 'The pipelines in bench/pipelines/ show how they are written; src/stages/pipeline.ts says what each policy means.',
  });
}

/** One stage; a type or a policy that there is none of is told with the nearest there is. */
function parseStage(stage: { type: string }, path: JsonPath, document: JsonDocument): StagePolicy {
  const types = Object.keys(stageSchemas);
  if (!types.includes(stage.type)) {
    throw document.error(
      [...path, 'type'],
      `no type of stage is called "${stage.type}", perhaps "${closest(stage.type, types)}" is meant (there are ${types.join(', ')})`,
    );
  }
  const schema = stageSchemas[stage.type as PolicyType];
  const unknown = Object.keys(stage).find((key) => !Object.hasOwn(schema.shape, key));
  if (unknown !== undefined) {
    const nearest = closest(unknown, Object.keys(schema.shape));
    throw document.error(
      [...path, unknown],
      `a ${stage.type} stage has no policy "${unknown}", perhaps "${nearest}" is meant`,
    );
  }
  const parsed = schema.safeParse(stage);
  if (parsed.success) return parsed.data;
  const issue = firstIssue(parsed.error);
  throw document.error([...path, ...issue.path], issue.message, parsed.error);
}

/**
 * The stages with one policy set, where a stage of that name has it; `null` where none has. `key` is the
 * stage's name and the policy's, as in `reasoning.tokens`. Throws RangeError with what is wrong with the
 * value.
 */
export function withPolicy(
  stages: readonly StagePolicy[],
  key: string,
  value: number | string | boolean,
): StagePolicy[] | null {
  const dot = key.lastIndexOf('.');
  const [stageName, policy] = [key.slice(0, dot), key.slice(dot + 1)];
  const index = stages.findIndex((stage) => nameOf(stage) === stageName);
  const stage = stages[index];
  if (dot < 0 || stage === undefined) return null;
  const schema = stageSchemas[stage.type];
  if (!Object.hasOwn(schema.shape, policy) || fixedFields.has(policy)) {
    const policies = Object.keys(schema.shape).filter((name) => !fixedFields.has(name));
    throw new RangeError(
      `the stage "${stageName}" has no policy "${policy}", perhaps "${closest(policy, policies)}" is meant`,
    );
  }
  const parsed = schema.safeParse({ ...stage, [policy]: value });
  if (!parsed.success) throw new RangeError(describeIssue(firstIssue(parsed.error)));
  return stages.with(index, parsed.data);
}

/** The fields that identify a stage, and are no policies. */
const fixedFields = new Set(['type', 'name', 'after', 'on']);
