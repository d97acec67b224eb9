import { closest } from 'fastest-levenshtein';
import type { JsonPath } from '../../core/json/schema-issue.js';
import { nameOf, type PolicyType, type StagePolicy } from '../../stages/pipeline.js';
import type { JsonDocument } from '../document.js';
import { roleUses } from './roles.js';

/** Types of which a pipeline has exactly one, and those of which it has no more. */
const exactlyOne: readonly PolicyType[] = ['tokenization', 'prefill', 'decode'];
const atMostOne: readonly PolicyType[] = ['retrieval', 'reasoning', 'detokenization'];

/** Pairs of stages in their necessary order: the first makes what the second takes. */
const order: readonly (readonly [before: PolicyType, after: PolicyType])[] = [
  ['tokenization', 'retrieval'],
  ['tokenization', 'prefill'],
  ['retrieval', 'prefill'],
  ['prefill', 'reasoning'],
  ['prefill', 'decode'],
  ['reasoning', 'decode'],
  ['decode', 'detokenization'],
];

/**
 * Refuses stages that cannot run: too many or too few of a type, an order in which one lacks what another
 * makes, and roles without a model. `written` is the stages as they stand in the file, `ordered` as they
 * run. Throws the document's error.
 */
export function checkStages(
  written: readonly StagePolicy[],
  ordered: readonly StagePolicy[],
  roles: readonly string[],
  document: JsonDocument,
): void {
  const errorAt = (stage: StagePolicy, field: string, message: string) =>
    document.error(['stages', written.indexOf(stage), field] satisfies JsonPath, message);

  for (const type of exactlyOne) {
    if (written.some((stage) => stage.type === type)) continue;
    throw document.error(['stages'], `there is no ${type} stage, and no pipeline works without`);
  }
  for (const type of [...exactlyOne, ...atMostOne]) {
    const second = written.filter((stage) => stage.type === type)[1];
    if (second) throw errorAt(second, 'type', `there is a second ${type} stage, and one is all there can be`);
  }
  for (const [before, after] of order) {
    const late = ordered.findIndex(({ type }) => type === before);
    const early = ordered.findIndex(({ type }) => type === after);
    if (late < 0 || early < 0 || late < early) continue;
    throw errorAt(ordered[early]!, 'type', `${after} comes before ${before}, and needs what that makes`);
  }
  checkRoles(written, roles, errorAt, document);
  for (const stage of written) {
    if (stage.type === 'safety') checkSafety(stage, ordered, errorAt);
    if (stage.type === 'decode' && stage.speculation === 'draft' && stage.draft === null) {
      throw errorAt(stage, 'speculation', 'speculation by draft needs a "draft" model');
    }
  }
}

type ErrorAt = (stage: StagePolicy, field: string, message: string) => Error;

function checkRoles(
  written: readonly StagePolicy[],
  roles: readonly string[],
  errorAt: ErrorAt,
  document: JsonDocument,
): void {
  const kinds = new Map<string, string>([['chat', 'decoder']]);
  for (const { stage, field, role, kind } of roleUses(written)) {
    if (role !== 'chat' && !roles.includes(role)) {
      const known = kind === 'decoder' ? [...roles, 'chat'] : roles;
      const guess = known.length === 0 ? '' : `, perhaps "${closest(role, [...known])}" is meant`;
      const what = `the stage "${nameOf(stage)}" asks for the model "${role}", and "models" names none`;
      throw errorAt(stage, field, `${what}${guess}`);
    }
    const other = kinds.get(role);
    if (other !== undefined && other !== kind) {
      const what = `"${field}" takes a model for ${kind}, and "${role}" is one for ${other} already`;
      throw errorAt(stage, field, `${what}; give it a role of its own`);
    }
    kinds.set(role, kind);
  }
  for (const role of roles) {
    if (kinds.has(role) && role !== 'chat') continue;
    const why =
      role === 'chat' ? 'is the model of the cell, and named nowhere else' : 'is asked for by no stage';
    throw document.error(['models', role], `the model "${role}" ${why}`);
  }
}

function checkSafety(
  stage: Extract<StagePolicy, { type: 'safety' }>,
  ordered: readonly StagePolicy[],
  errorAt: ErrorAt,
): void {
  if ((stage.verify === 'always' || stage.verify === 'sampled') && stage.verifier === null) {
    throw errorAt(stage, 'verify', `verification ("${stage.verify}") needs a "verifier" model`);
  }
  const needed: PolicyType = stage.on === 'prompt' ? 'tokenization' : 'decode';
  if (ordered.findIndex(({ type }) => type === needed) < ordered.indexOf(stage)) return;
  throw errorAt(stage, 'on', `the ${stage.on} is checked before the ${needed} stage has made it`);
}
