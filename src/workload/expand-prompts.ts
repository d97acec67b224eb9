import { basename } from 'node:path';
import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import { plainText } from '../core/text.js';
import { plainChat } from '../stages/pipeline.js';
import { deriveSeed } from '../stats/random.js';
import type { ExpandOptions } from './expand.js';
import { alikeKey, type NamedPrompt } from './named-prompts.js';
import {
  contextPositions,
  drawnPipelines,
  type PipelineVariant,
  pipelineVariants,
} from './pipelines/variants.js';
import type { PlannedCell, PlannedModel, WorkloadPlan } from './plan.js';
import { promptTimelineOf } from './timeline.js';

/** Rounds that tell noise from what the prompts differ by; one alone cannot. */
const usualRepetitions = 3;

/**
 * The cells of a user's prompts over a run's models, one a prompt: greedy, with a forced completion. Prompts alike in text
 * and answer share a cell, and are run as often as the file holds them.
 *
 * An answer that a model's context cannot hold beside its prompt is cut to what is left, and a prompt that leaves nothing
 * is left out, with a warning per model; where only the engine can count tokens, such requests fail when they run.
 * Where the file tells times, they are in the timeline.
 * Throws TokenworkError `nothing-to-run` where no prompt is left.
 */
export function expandPrompts(
  { path, prompts, skipped, warnings: read = [] }: ReadPrompts,
  models: readonly PlannedModel[],
  options: ExpandOptions = {},
): WorkloadPlan {
  const { seed = 1, pipeline } = options;
  const groups = grouped(prompts);
  const [variant] = pipeline === undefined ? [] : pipelineVariants([pipeline], {});
  const warnings: Warning[] = [...read, ...(skipped > 0 ? [nobodyAsks(path, skipped)] : [])];
  const cells = models.flatMap((model) => {
    const beyond: string[] = [];
    let capped = 0;
    const own = groups.flatMap(({ prompt, count }) => {
      const promptTokens = model.countTokens?.(prompt);
      const drawn = drawnCells({ prompt, count, promptTokens }, model, variant, options);
      const fitting = drawn.flatMap((cell) => fitted(cell, prompt, promptTokens, model));
      if (fitting.length < drawn.length) beyond.push(prompt.name);
      else if (fitting.some(({ request }) => request.completionTokens < prompt.answerTokens)) capped++;
      return fitting;
    });
    if (beyond.length > 0) warnings.push(beyondContext(model, beyond));
    if (capped > 0) warnings.push(answersCapped(model, capped));
    return own;
  });
  if (cells.length === 0) {
    throw new TokenworkError(
      'nothing-to-run',
      `No prompt of ${path} fits ${models.map(({ id }) => id).join(', ')}.`,
      'Use a model with a longer context, or shorter prompts.',
    );
  }
  const isTimed = prompts.some(({ arrivalNs }) => arrivalNs !== undefined);
  const name = plainText(basename(path).replace(/\.[^.]*$/, ''));
  return {
    ...{ suite: `prompts:${name}`, seed, repetitions: usualRepetitions, concurrency: 1 },
    ...{ cells, questions: [], warnings },
    ...(isTimed && { timeline: promptTimelineOf(prompts, { models, cells, seed }) }),
  };
}

interface ReadPrompts {
  path: string;
  prompts: readonly NamedPrompt[];
  /** Conversations in which nobody asks. */
  skipped: number;
  warnings?: readonly Warning[];
}

interface PromptGroup {
  prompt: NamedPrompt;
  /** Prompts that are alike. */
  count: number;
}

function grouped(prompts: readonly NamedPrompt[]): PromptGroup[] {
  const groups = new Map<string, PromptGroup>();
  for (const prompt of prompts) {
    const key = alikeKey(prompt);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { prompt, count: 1 });
    else group.count++;
  }
  return [...groups.values()];
}

/** A cell before its answer was fitted to the context, with the parts of its id behind the answer's length. */
type DrawnCell = Omit<PlannedCell, 'id'> & { idParts: readonly string[] };

/** A prompt's cell; through a pipeline, one for each outcome of what chance decides there. */
function drawnCells(
  { prompt, count, promptTokens }: PromptGroup & { promptTokens: number | undefined },
  model: PlannedModel,
  variant: PipelineVariant | undefined,
  { seed = 1, modelIdOf = ({ spec }) => spec }: ExpandOptions,
): DrawnCell[] {
  const { name, text, messages, answerTokens } = prompt;
  const request = {
    prompt: { kind: 'text', text, name, ...(messages && { messages }) },
    completionTokens: answerTokens,
    batch: 1,
    stop: 'forced',
    sampling: { kind: 'greedy' },
  } as const;
  const lengths = { ...(promptTokens !== undefined && { promptTokens }), completionTokens: answerTokens };
  const factors = { prompt: name, ...lengths, batch: 1, stop: 'forced', sampling: 'greedy' };
  const cell = { model: model.id, factors, request, count, idParts: [] };
  if (variant === undefined) return [cell];
  const drawSeed = deriveSeed(seed, ...Buffer.from(name));
  const draws = { draws: count, merged: true, seed, drawSeed, difficulty: 1, policies: [], modelIdOf };
  return drawnPipelines(variant, draws).map(
    ({ idParts, factors: drawn, request: through, count: times }) => ({
      ...cell,
      idParts,
      factors: { ...factors, ...drawn },
      request: { ...request, ...(through && { pipeline: through }) },
      count: times,
    }),
  );
}

/** The cell with the longest answer, up to its own, that fits the context; none where not one token does. */
function fitted(
  { idParts, ...cell }: DrawnCell,
  { name }: NamedPrompt,
  promptTokens: number | undefined,
  { contextLength }: PlannedModel,
): PlannedCell[] {
  const { pipeline = plainChat } = cell.request;
  const fits = (answer: number) =>
    promptTokens === undefined || contextPositions(pipeline, promptTokens, answer) <= contextLength;
  let [longest, high] = [0, cell.request.completionTokens + 1];
  while (high - longest > 1) {
    const middle = Math.floor((longest + high) / 2);
    if (fits(middle)) longest = middle;
    else high = middle;
  }
  if (longest === 0) return [];
  return [
    {
      ...cell,
      id: [cell.model, name, `c${longest}`, ...idParts].join('/'),
      factors: { ...cell.factors, completionTokens: longest },
      request: { ...cell.request, completionTokens: longest },
    },
  ];
}

function nobodyAsks(path: string, count: number): Warning {
  return {
    code: 'prompts-left-out',
    message: `${count} ${count === 1 ? 'conversation' : 'conversations'} of ${path} in which nobody asks ${count === 1 ? 'was' : 'were'} left out.`,
    hint: 'Of a ShareGPT conversation all up to the first question is the prompt.',
  };
}

function beyondContext({ id, contextLength }: PlannedModel, names: readonly string[]): Warning {
  const [count, most] = [names.length, 10];
  const named = `${names.slice(0, most).join(', ')}${count > most ? ', …' : ''}`;
  return {
    code: 'beyond-context',
    message: `${count === 1 ? '1 prompt leaves' : `${count} prompts leave`} no room for an answer in the ${contextLength} tokens that ${id} can hold, and ${count === 1 ? 'is' : 'are'} left out: ${named}.`,
    hint: 'Use a model with a longer context to run them.',
  };
}

function answersCapped({ id, contextLength }: PlannedModel, count: number): Warning {
  return {
    code: 'answers-capped',
    message: `The ${count === 1 ? 'answer to 1 prompt was' : `answers to ${count} prompts were`} cut to what the ${contextLength} tokens that ${id} can hold leave beside the prompt.`,
    hint: 'Use a model with a longer context, or a smaller max_tokens.',
  };
}
