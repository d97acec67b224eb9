import {
  nameOf,
  type PolicyOf,
  type RequestPipeline,
  type StageDraw,
  type StagePolicy,
} from '../stages/pipeline.js';
import { normalQuantile } from '../stats/normal.js';
import { createRandom, deriveSeed, shuffle } from '../stats/random.js';

type Drawn = RequestPipeline['drawn'];

/** One outcome of the draws for a pipeline's stages, and the number of requests that have it. */
export interface Outcome {
  drawn: Drawn;
  count: number;
}

/**
 * The draws for each of `draws` requests of a pipeline. Draws are spread evenly over the
 * distribution and dealt out by seed, so that the share of flagged requests is the rate as nearly as
 * `draws` requests can have it.
 */
export function drawOutcomes(
  stages: readonly StagePolicy[],
  { draws, seed, difficulty }: { draws: number; seed: number; difficulty: number },
): Drawn[] {
  const byStage = stages.map((stage, index) => {
    const own = deriveSeed(seed, index);
    return [nameOf(stage), drawStage(stage, draws, own, difficulty)] as const;
  });
  return Array.from({ length: draws }, (_, draw) => {
    const drawn: Drawn = Object.create(null);
    for (const [name, perDraw] of byStage) {
      const decided = perDraw?.[draw];
      if (decided !== undefined) drawn[name] = decided;
    }
    return drawn;
  });
}

/** Requests for which chance decides alike, taken together. */
export function countOutcomes(drawn: readonly Drawn[]): Outcome[] {
  const outcomes = new Map<string, Outcome>();
  for (const one of drawn) {
    const key = JSON.stringify(one);
    const known = outcomes.get(key);
    if (known) known.count++;
    else outcomes.set(key, { drawn: one, count: 1 });
  }
  return [...outcomes.values()];
}

/** The draws for a stage in each of `draws` requests; `null` where nothing is drawn. */
function drawStage(stage: StagePolicy, draws: number, seed: number, difficulty: number): StageDraw[] | null {
  switch (stage.type) {
    case 'safety': {
      const flags = evenly(stage.flagRate, draws, deriveSeed(seed, 1));
      if (stage.verify !== 'sampled') return flags.map((flagged) => ({ flagged }));
      const samples = evenly(stage.sampleRate, draws, deriveSeed(seed, 2));
      return flags.map((flagged, draw) => ({ flagged, sampled: samples[draw]! }));
    }
    case 'reasoning':
      return drawReasoning(stage, draws, seed, difficulty);
    case 'decode':
      return stage.speculation === 'none' || stage.acceptance === 'model'
        ? null
        : Array.from({ length: draws }, (_, draw) => ({ seed: deriveSeed(seed, draw) }));
    default:
      return null;
  }
}

function drawReasoning(
  stage: PolicyOf<'reasoning'>,
  draws: number,
  seed: number,
  difficulty: number,
): StageDraw[] | null {
  // A share of a prompt that may be a text: the worker knows it once it is tokenized.
  if (stage.length === 'proportional') return null;
  const lengths = quantiles(draws, seed).map((probability) =>
    reasoningTokens(stage, probability, difficulty),
  );
  return lengths.map((tokens) => ({ tokens: Math.min(stage.maxTokens, Math.round(tokens)) }));
}

function reasoningTokens(
  { length, tokens, sigma, alpha }: PolicyOf<'reasoning'>,
  probability: number,
  difficulty: number,
): number {
  switch (length) {
    case 'log-normal':
      return tokens * Math.exp(sigma * normalQuantile(probability));
    case 'pareto':
      return tokens * (1 - probability) ** (-1 / alpha);
    case 'difficulty':
      return tokens * difficulty;
    default:
      return tokens;
  }
}

/** One probability in each of `count` equal parts of (0, 1), in an order drawn by seed. */
function quantiles(count: number, seed: number): number[] {
  const random = createRandom(seed);
  const parts = Array.from({ length: count }, (_, part) => {
    const within = (random.uint32() + 0.5) / 2 ** 32;
    return (part + within) / count;
  });
  return shuffle(parts, random);
}

/** `true` for a share `rate` of `count` draws, to within one, in an order drawn by seed. */
function evenly(rate: number, count: number, seed: number): boolean[] {
  const random = createRandom(seed);
  const offset = random.uniform();
  const chosen = Array.from(
    { length: count },
    (_, draw) => Math.floor((draw + 1) * rate + offset) > Math.floor(draw * rate + offset),
  );
  return shuffle(chosen, random);
}
