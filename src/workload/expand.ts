import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { Cell } from '../core/result.js';
import { plainChat } from '../stages/pipeline.js';
import type { PromptSpec, RequestSpec, Sampling } from '../stages/request-spec.js';
import { deriveSeed } from '../stats/random.js';
import type { Block } from './block.js';
import { hasPipelines, variantsOf, varyingPolicies } from './block-variants.js';
import type { Pipeline } from './pipelines/pipeline.js';
import { contextPositions, drawnPipelines, type PipelineVariant, unbatched } from './pipelines/variants.js';
import type { ModelIdOf, PlannedCell, PlannedModel, WorkloadPlan } from './plan.js';
import type { Suite, SuiteSampling } from './suite.js';

/**
 * The cells of a suite over a run's models. Blocks that name models apply to those alone, unless the user
 * brought other models, for which every block applies. A cell that two blocks share is run once.
 *
 * Cells whose prompt and completion exceed a model's context are left out and named in a warning; a text
 * prompt's length is known only to the model's tokenizer, so those are checked when they run.
 * Throws TokenworkError `nothing-to-run` where no cell is left.
 */
export function expandSuite(
  suite: Suite,
  models: readonly PlannedModel[],
  { seed = suite.seed, pipeline, modelIdOf = unnamed }: ExpandOptions = {},
): WorkloadPlan {
  const policies = varyingPolicies(suite, pipeline);
  const cells = new Map<string, PlannedCell>();
  const warnings: Warning[] = [];
  for (const model of models) {
    const beyond = new Set<string>();
    const alone = new Map<string, Warning>();
    for (const block of suite.design.filter((block) => appliesTo(block, model, suite))) {
      for (const cell of cellsOf(block, model, suite, { seed, pipeline, modelIdOf, policies })) {
        const { batch, pipeline: through = plainChat } = cell.request;
        const stage = batch > 1 ? unbatched(through.stages) : undefined;
        if (stage) alone.set(cell.id, noBatch(cell.id, stage));
        else if (exceedsContext(cell.request, model)) beyond.add(cell.id);
        else cells.set(cell.id, cell);
      }
    }
    if (beyond.size > 0) warnings.push(beyondContext(model, [...beyond]));
    warnings.push(...alone.values());
  }
  if (cells.size === 0) {
    throw new TokenworkError(
      'nothing-to-run',
      `No cell of the suite ${suite.name} fits ${models.map(({ id }) => id).join(', ')}.`,
      'Use a model with a longer context, or a suite with shorter prompts.',
    );
  }
  const { repetitions, concurrency, budgetSeconds, questions } = suite;
  return {
    suite: suite.name,
    seed,
    repetitions,
    concurrency,
    budgetSeconds,
    cells: [...cells.values()],
    questions,
    warnings,
  };
}

export interface ExpandOptions {
  seed?: number | undefined;
  /** In place of the pipelines that the workload names; reference requests stay plain chat. */
  pipeline?: Pipeline | undefined;
  /** Names of the models that pipelines have roles for. */
  modelIdOf?: ModelIdOf | undefined;
}

const unnamed: ModelIdOf = ({ spec }) => spec;

/** A synthetic prompt: the same ids for the same seed and length, unrelated ones for other lengths. */
export function syntheticPrompt(tokens: number, seed: number): PromptSpec {
  return { kind: 'synthetic', tokens, seed: deriveSeed(seed, tokens) };
}

function appliesTo(block: Block, model: PlannedModel, suite: Suite): boolean {
  const isOwn = suite.models.some(({ model: spec }) => spec === model.spec);
  return !isOwn || block.models === undefined || block.models.includes(model.spec);
}

type CellOptions = ExpandOptions & { seed: number; modelIdOf: ModelIdOf; policies: readonly string[] };

function* cellsOf(
  block: Block,
  model: PlannedModel,
  suite: Suite,
  options: CellOptions,
): Generator<PlannedCell> {
  const variants = variantsOf(block, suite, options.pipeline);
  for (const prompt of promptsOf(block, suite, options.seed)) {
    for (const completionTokens of block.completionTokens) {
      for (const rows of batchesOf(block)) {
        for (const variant of variants) {
          const point = { block, prompt, completionTokens, rows, variant };
          yield* cellsAt(point, model, suite, options);
        }
      }
    }
  }
}

/** A point of a block's design, of which chance may make several cells. */
interface DesignPoint {
  block: Block;
  prompt: NamedPrompt;
  completionTokens: number;
  rows: Rows;
  variant: PipelineVariant;
}

function cellsAt(
  { block, prompt, completionTokens, rows, variant }: DesignPoint,
  model: PlannedModel,
  suite: Suite,
  { seed, modelIdOf, pipeline, policies }: CellOptions,
): PlannedCell[] {
  const drawn = drawnPipelines(variant, {
    draws: block.draws,
    merged: false,
    seed,
    // The same for all levels of a policy, so that they are compared on the same requests.
    drawSeed: deriveSeed(seed, ...Buffer.from(prompt.name), completionTokens),
    difficulty: prompt.difficulty,
    policies,
    modelIdOf,
  });
  return drawn.map(({ idParts, factors, request: through, count }) => {
    const request: RequestSpec = {
      prompt: prompt.prompt,
      completionTokens,
      batch: rows.batch,
      stop: suite.stop,
      sampling: seededSampling(suite.sampling, seed),
    };
    if (rows.neighbours === 'different') request.neighbours = rows.neighbours;
    if (through) request.pipeline = through;
    return {
      id: [model.id, prompt.name, `c${completionTokens}`, ...suffixes(request), ...idParts].join('/'),
      model: model.id,
      factors: {
        ...prompt.factors,
        completionTokens,
        ...rows,
        ...rules(request),
        ...(hasPipelines(suite, pipeline) && factors),
      },
      request,
      count,
    };
  });
}

interface Rows {
  batch: number;
  neighbours?: 'same' | 'different';
}

/** Sizes of batches, with each kind of neighbours; alone, a row has none. */
function batchesOf({ batch, neighbours }: Block): Rows[] {
  if (neighbours === undefined) return batch.map((rows) => ({ batch: rows }));
  return batch.flatMap((rows) =>
    (rows === 1 ? (['same'] as const) : neighbours).map((kind) => ({ batch: rows, neighbours: kind })),
  );
}

type NamedPrompt = { name: string; factors: Cell['factors']; prompt: PromptSpec; difficulty: number };

function promptsOf(block: Block, suite: Suite, seed: number): NamedPrompt[] {
  const synthetic = (block.promptTokens ?? []).map((promptTokens) => ({
    name: `p${promptTokens}`,
    factors: { promptTokens },
    prompt: syntheticPrompt(promptTokens, seed),
    difficulty: 1,
  }));
  const texts = (block.prompts ?? []).map((name) => {
    const { kind, language, text, messages, difficulty } = suite.prompts.get(name)!;
    return {
      name,
      factors: { prompt: name, promptKind: kind, language },
      prompt: { kind: 'text' as const, text, name, ...(messages && { messages }) },
      difficulty,
    };
  });
  return [...synthetic, ...texts];
}

function seededSampling(sampling: SuiteSampling, seed: number): Sampling {
  return sampling.kind === 'greedy' ? sampling : { ...sampling, seed };
}

/** The parts of a cell's id beyond its lengths; none for the usual request. */
function suffixes({ batch, neighbours, stop, sampling }: RequestSpec): string[] {
  const parts: string[] = [];
  if (batch > 1) parts.push(`b${batch}`);
  if (neighbours === 'different') parts.push('different');
  if (stop === 'eos') parts.push('eos');
  if (sampling.kind === 'seeded') {
    parts.push(`t${sampling.temperature}${sampling.topK === undefined ? '' : `k${sampling.topK}`}`);
  }
  return parts;
}

function rules({ stop, sampling }: RequestSpec): Cell['factors'] {
  return {
    stop,
    sampling: sampling.kind,
    ...(sampling.kind === 'seeded' && { temperature: sampling.temperature }),
    ...(sampling.kind === 'seeded' && sampling.topK !== undefined && { topK: sampling.topK }),
  };
}

function exceedsContext(
  { prompt, completionTokens, pipeline = plainChat }: RequestSpec,
  { contextLength }: PlannedModel,
): boolean {
  return (
    prompt.kind === 'synthetic' && contextPositions(pipeline, prompt.tokens, completionTokens) > contextLength
  );
}

/** Warns of a pipeline that the user brought; a suite that names such a one itself is refused. */
function noBatch(cell: string, { name, reason }: NonNullable<ReturnType<typeof unbatched>>): Warning {
  return {
    code: 'no-batch',
    message: `${cell} is left out, as its stage "${name}" runs one sequence at a time: ${reason}.`,
    hint: 'Name a suite without batches, or a pipeline whose stages all run them.',
  };
}

function beyondContext({ id, contextLength }: PlannedModel, cells: string[]): Warning {
  const count = cells.length === 1 ? '1 cell is' : `${cells.length} cells are`;
  return {
    code: 'beyond-context',
    message: `${count} longer than the ${contextLength} tokens that ${id} can hold, and left out: ${cells.join(', ')}.`,
    hint: 'Use a model with a longer context to run them.',
  };
}
