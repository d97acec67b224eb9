import { TokenworkError } from '../core/errors.js';
import type { PromptSpec } from '../stages/request-spec.js';
import { createRandom, deriveSeed, shuffle } from '../stats/random.js';
import { alikeKey, type NamedPrompt } from './named-prompts.js';
import type { PlannedCell, PlannedModel, TimelineEntry } from './plan.js';
import type { Trace } from './trace.js';
import type { TraceRequest } from './traces/format.js';

/** Streams of seeds that prompts of a trace draw from, told apart by number. */
const streams = { blocks: 1, own: 2, pipelines: 3 };

interface TimelineOptions {
  models: readonly Pick<PlannedModel, 'id' | 'contextLength'>[];
  /** Those of the plan, or the part of them that is run. */
  cells: readonly PlannedCell[];
  seed: number;
}

/**
 * The requests of a trace in its order, each with its cell and a prompt of its own; of several models, each has all of
 * them, one beside the other. Prompts share the tokens of the blocks that they begin with, and nothing else. Where a
 * pipeline leaves something to chance, the cells of one length come in an order drawn by seed.
 *
 * It follows from the trace, the models' contexts, the cells and the seed, so that a run which goes on makes it anew.
 * Requests whose cells are not run are left out. Throws TokenworkError `trace-changed` where the cells are not of this
 * trace.
 */
export function timelineOf(
  { requests }: Pick<Trace, 'requests'>,
  { models, cells, seed }: TimelineOptions,
): TimelineEntry[] {
  const queues = cellQueues(cells, ({ model, factors }) => lengthsId(model, factors), seed);
  const blockSeed = deriveSeed(seed, streams.blocks);
  const ownSeed = deriveSeed(seed, streams.own);
  const timeline: TimelineEntry[] = [];
  for (const [index, request] of requests.entries()) {
    for (const { id, contextLength } of models) {
      const clipped = clip(request, contextLength);
      const cell = queues.get(lengthsId(id, clipped))?.next();
      if (cell === undefined) continue;
      const seed = deriveSeed(ownSeed, index);
      timeline.push({ cell, arrivalNs: request.arrivalNs, seed, blocks: request.blocks, blockSeed });
    }
  }
  return whole(timeline, cells);
}

/**
 * The prompts of a file that tells times, in their order, each with its cell. Prompts that are not run are left out. Throws
 * TokenworkError `trace-changed` where the cells are not of these prompts.
 */
export function promptTimelineOf(
  prompts: readonly NamedPrompt[],
  { models, cells, seed }: TimelineOptions,
): TimelineEntry[] {
  const queues = cellQueues(cells, ({ model, request }) => promptKey(model, request.prompt), seed);
  const firstNames = new Map<string, string>();
  const timeline: TimelineEntry[] = [];
  for (const prompt of prompts) {
    const { name, text, arrivalNs = null } = prompt;
    const key = alikeKey(prompt);
    if (!firstNames.has(key)) firstNames.set(key, name);
    for (const { id } of models) {
      const cell = queues.get(promptKey(id, { kind: 'text', name: firstNames.get(key)!, text }))?.next();
      if (cell !== undefined) timeline.push({ cell, arrivalNs, seed: 0, blocks: null, blockSeed: 0 });
    }
  }
  return whole(timeline, cells);
}

function promptKey(model: string, prompt: PromptSpec): string {
  return JSON.stringify(prompt.kind === 'text' ? [model, prompt.name, prompt.text] : [model]);
}

/** The timeline itself. Throws TokenworkError `trace-changed` where it lacks requests that cells count. */
function whole(timeline: TimelineEntry[], cells: TimelineOptions['cells']): TimelineEntry[] {
  const planned = cells.reduce((sum, { count }) => sum + count, 0);
  if (timeline.length === planned) return timeline;
  throw new TokenworkError(
    'trace-changed',
    `The file has ${timeline.length} requests of the ${planned} that the run's cells count.`,
    'Put the file and its models back as they were, or begin the run anew.',
  );
}

/** The id that requests of equal lengths share, before a pipeline tells them apart. */
export function lengthsId(
  model: string,
  { promptTokens, completionTokens }: { promptTokens?: unknown; completionTokens?: unknown },
): string {
  return `${model}/p${promptTokens}/c${completionTokens}`;
}

/**
 * The request itself where it fits the context, else one that fills it: prompt and completion shrink by
 * the same factor, so that their proportion, which decides what a request costs, stays; at least one
 * token of each remains.
 */
export function clip(request: TraceRequest, contextLength: number): TraceRequest {
  const total = request.promptTokens + request.completionTokens;
  if (total <= contextLength) return request;
  const share = Math.round((request.promptTokens * contextLength) / total);
  const promptTokens = Math.min(Math.max(share, 1), contextLength - 1);
  return { ...request, promptTokens, completionTokens: contextLength - promptTokens };
}

/** Ids of the cells that requests of one key get, one after the other, as often as each counts. */
class CellQueue {
  readonly #ids: string[] = [];
  readonly #counts: number[] = [];
  #order: string[] | null = null;
  #taken = 0;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  add(id: string, count: number): void {
    this.#ids.push(id);
    this.#counts.push(count);
  }

  /** Undefined where all have been taken. */
  next(): string | undefined {
    const at = this.#taken++;
    if (this.#ids.length === 1) return at < this.#counts[0]! ? this.#ids[0] : undefined;
    this.#order ??= shuffle(
      this.#ids.flatMap((id, index) => Array<string>(this.#counts[index]!).fill(id)),
      createRandom(this.#seed),
    );
    return this.#order[at];
  }
}

function cellQueues(
  cells: TimelineOptions['cells'],
  keyOf: (cell: PlannedCell) => string,
  seed: number,
): Map<string, CellQueue> {
  const queues = new Map<string, CellQueue>();
  for (const cell of cells) {
    const key = keyOf(cell);
    let queue = queues.get(key);
    if (queue === undefined) {
      queue = new CellQueue(deriveSeed(seed, streams.pipelines, ...Buffer.from(key)));
      queues.set(key, queue);
    }
    queue.add(cell.id, cell.count);
  }
  return queues;
}
