import type { FactorValue } from '../../core/question.js';
import type { Cell } from '../../core/result.js';
import { nameOf, plainChat, type RequestPipeline, type StagePolicy } from '../../stages/pipeline.js';
import { countOutcomes, drawOutcomes, type Outcome } from '../draws.js';
import type { ModelIdOf } from '../plan.js';
import { type Pipeline, withPolicy } from './pipeline.js';
import { roleUses } from './roles.js';

/** A pipeline with the policies that one point of the design sets. */
export interface PipelineVariant {
  pipeline: Pipeline;
  stages: readonly StagePolicy[];
  /** The policies set, by their key (`reasoning.tokens`). */
  levels: Record<string, FactorValue>;
}

/** Values of each policy, by its key. */
export type PolicyLevels = Readonly<Record<string, readonly FactorValue[]>>;

/** Every pipeline with every combination of the policies' values that it has the stages for. */
export function pipelineVariants(pipelines: readonly Pipeline[], policies: PolicyLevels): PipelineVariant[] {
  return pipelines.flatMap((pipeline) => {
    let variants: PipelineVariant[] = [{ pipeline, stages: pipeline.stages, levels: {} }];
    for (const [key, values] of Object.entries(policies)) {
      variants = variants.flatMap((variant) => {
        const set = values.map((value) => {
          const stages = withPolicy(variant.stages, key, value);
          return stages && { ...variant, stages, levels: { ...variant.levels, [key]: value } };
        });
        return set.every((one) => one !== null) ? set : [variant];
      });
    }
    return variants;
  });
}

/** The variant of requests that name no pipeline. */
export const plainVariant: PipelineVariant = {
  pipeline: { ...plainChat, description: '', models: new Map() },
  stages: plainChat.stages,
  levels: {},
};

/** Whether requests of the variant are plain chat, of which nothing needs to be said. */
function isPlain({ pipeline, levels }: PipelineVariant): boolean {
  return pipeline.name === 'plain-chat' && Object.keys(levels).length === 0;
}

/** The first stage that runs one sequence at a time and so no batch, and why; `undefined` where all run batches. */
export function unbatched(stages: readonly StagePolicy[]): { name: string; reason: string } | undefined {
  for (const stage of stages) {
    if (stage.type === 'retrieval' && stage.top > 0 && !stage.billed) {
      // GroupQueryAttention: "batch_size must be 1 when sequence_length > 1 and past context is given".
      const reason =
        'what it retrieves goes through the model in a pass of its own, as it is not billed, and kernels take no batch after that';
      return { name: nameOf(stage), reason };
    }
    if (stage.type === 'prefill' && stage.cache !== 'none') {
      const reason = 'the rows of a batch would find beginnings of different lengths in the prefix cache';
      return { name: nameOf(stage), reason };
    }
    if (stage.type === 'decode' && stage.speculation !== 'none') {
      const reason = 'the rows of a batch would accept different numbers of drafts, and not stay in lockstep';
      return { name: nameOf(stage), reason };
    }
  }
  return undefined;
}

/** A variant with what chance decides: what the requests of one cell have in common. */
export interface DrawnPipeline {
  /** The parts of a cell's id that set it apart. */
  idParts: string[];
  factors: Cell['factors'];
  /** `undefined` for plain chat. */
  request: RequestPipeline | undefined;
  /** Requests a round. */
  count: number;
}

export interface DrawOptions {
  /** Requests for which chance decides. */
  draws: number;
  /** Whether those for which it decides alike share a cell; else each has one of its own, of equal weight. */
  merged: boolean;
  /** Seeds the texts that requests share: system prompts, histories, pieces. */
  seed: number;
  /** Seeds the draws. */
  drawSeed: number;
  /** The prompt's. */
  difficulty: number;
  /** Keys of policies that are factors of the design, whether or not this variant sets them. */
  policies: readonly string[];
  modelIdOf: ModelIdOf;
}

/**
 * The cells' worth of a variant: since a cell's requests differ by noise alone, one for each request drawn,
 * or for each outcome where `merged`. Where chance has nothing to decide there is one.
 */
export function drawnPipelines(
  variant: PipelineVariant,
  { draws, merged, seed, drawSeed, difficulty, policies, modelIdOf }: DrawOptions,
): DrawnPipeline[] {
  const { pipeline, stages, levels } = variant;
  const factors = { pipeline: pipeline.name, ...policyFactors(stages, policies) };
  if (isPlain(variant)) return [{ idParts: [], factors, request: undefined, count: 1 }];
  const drawn = drawOutcomes(stages, { draws, seed: drawSeed, difficulty });
  const different = countOutcomes(drawn);
  const apart = !merged && different.length > 1;
  const outcomes = apart ? drawn.map((one): Outcome => ({ drawn: one, count: 1 })) : different;
  const set = policies.filter((key) => Object.hasOwn(levels, key)).map((key) => `${key}=${levels[key]}`);
  return outcomes.map((outcome, index) => {
    const { label, drawnFactors } = describeOutcome(outcome, stages);
    return {
      idParts: [pipeline.name, ...set, ...label, ...(different.length > 1 ? [`draw ${index + 1}`] : [])],
      factors: { ...factors, ...drawnFactors },
      request: {
        name: pipeline.name,
        stages: [...stages],
        models: modelsOf(pipeline, modelIdOf),
        drawn: outcome.drawn,
        seed,
      },
      count: outcome.count,
    };
  });
}

/** Values of policies, of those stages that are there; `none` for a policy that is null. */
export function policyFactors(stages: readonly StagePolicy[], policies: readonly string[]): Cell['factors'] {
  const factors: Cell['factors'] = {};
  for (const key of policies) {
    const dot = key.lastIndexOf('.');
    const stage = stages.find((candidate) => nameOf(candidate) === key.slice(0, dot));
    const value = (stage as Record<string, FactorValue | null> | undefined)?.[key.slice(dot + 1)];
    if (value !== undefined) factors[key] = value ?? 'none';
  }
  return factors;
}

/** Describes the draws that could have fallen otherwise. */
function describeOutcome(
  { drawn }: Outcome,
  stages: readonly StagePolicy[],
): { label: string[]; drawnFactors: Cell['factors'] } {
  const label: string[] = [];
  const drawnFactors: Cell['factors'] = {};
  for (const stage of stages) {
    const name = nameOf(stage);
    const { flagged, sampled, tokens } = drawn[name] ?? {};
    if (stage.type === 'safety') {
      if (isUncertain(stage.flagRate)) {
        drawnFactors[`${name}.flagged`] = flagged === true;
        if (flagged) label.push(`${name} flagged`);
      }
      if (sampled !== undefined && isUncertain(stage.sampleRate)) {
        drawnFactors[`${name}.sampled`] = sampled;
        if (sampled) label.push(`${name} sampled`);
      }
    }
    const isTail = stage.type === 'reasoning' && (stage.length === 'log-normal' || stage.length === 'pareto');
    if (tokens !== undefined && isTail) {
      drawnFactors[`${name}.drawn`] = tokens;
      label.push(`${name} ${tokens}`);
    }
  }
  return { label, drawnFactors };
}

function isUncertain(rate: number): boolean {
  return rate > 0 && rate < 1;
}

function modelsOf({ models, stages }: Pipeline, modelIdOf: ModelIdOf): Record<string, string> {
  return Object.fromEntries(
    roleUses(stages).flatMap(({ role, kind }) => {
      const model = models.get(role);
      return model === undefined ? [] : [[role, modelIdOf({ ...model, kind })]];
    }),
  );
}

/**
 * Positions that the chat model holds for a request, as far as they are known before its prompt is
 * tokenized.
 */
export function contextPositions(
  { stages, drawn }: Pick<RequestPipeline, 'stages' | 'drawn'>,
  promptTokens: number,
  completionTokens: number,
): number {
  let positions = promptTokens + completionTokens;
  for (const stage of stages) {
    if (stage.type === 'prefill') {
      positions += stage.systemTokens + stage.historyTurns * (promptTokens + completionTokens);
    }
    if (stage.type === 'retrieval') positions += stage.top * stage.pieceTokens;
    if (stage.type === 'reasoning') {
      const tokens = drawn[nameOf(stage)]?.tokens ?? Math.round(stage.share * promptTokens);
      positions += Math.min(stage.maxTokens, tokens);
    }
  }
  return positions;
}
