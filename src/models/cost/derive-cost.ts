import { setImmediate } from 'node:timers/promises';
import type { Warning } from '../../core/codes.js';
import type { CostModel, Mixture, Polynomial, StepShape } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { DecoderGraph, IndexInput } from '../decoder-graph.js';
import type { EncoderGraph } from '../encoder/graph.js';
import type { ModelProto } from '../onnx/proto.js';
import { DataType, storedBytes } from '../onnx/tensor-data.js';
import { countPrepared, notCountedIn, warningsOf } from './count-graph.js';
import { fitPoints, fitPolynomial, heldOutPoints, holds } from './fit-polynomial.js';
import { tensor, type Value } from './op-rule.js';
import { countParameters } from './parameters.js';
import { prepareModel } from './prepare.js';
import type { Tally } from './tally.js';

export interface DeriveOptions {
  /**
   * Whether the output head's weights are the embedding table's (`tie_word_embeddings` of config.json), for
   * `parameters`. Without it the weights themselves are compared, where they are inside the file.
   */
  tiedEmbeddings?: boolean;
  /** Positions to count the output head for, of a graph that computes as many as asked: `last` by default. */
  logits?: 'last' | 'all';
}

const flopKinds = ['matmul', 'executed', 'causal', 'elementwise'] as const;
const byteKinds = ['weights', 'kvRead', 'kvWritten', 'activations'] as const;

/**
 * What a decoder costs, as exact polynomials in batch, new and past tokens: the graph is evaluated on a
 * small grid of shapes and the coefficients solved for, then checked at shapes the solution has not seen.
 * The head counts for all new positions, unless the graph computes only the last. Where nodes could not be
 * counted, `notCounted` says so and the polynomials are of the rest.
 * Throws TokenworkError `cost-not-polynomial` where the cost is no such polynomial, `shapes-do-not-fit` where
 * the graph is at odds with itself, and `graph-too-costly`.
 */
export function deriveCost(model: ModelProto, decoder: DecoderGraph, options: DeriveOptions = {}): CostModel {
  return atOnce(decoderCost(model, decoder, options));
}

/** `deriveCost` that lets signals and timers through between evaluations; also throws `aborted`. */
export function deriveCostYielding(
  model: ModelProto,
  decoder: DecoderGraph,
  options: DeriveOptions & { signal?: AbortSignal | undefined } = {},
): Promise<CostModel> {
  return yielding(decoderCost(model, decoder, options), options.signal);
}

/** The cost of an encoder, as polynomials in batch and positions. Throws as `deriveCost` does. */
export function deriveEncoderCost(model: ModelProto, encoder: EncoderGraph): CostModel {
  return atOnce(encoderCost(model, encoder));
}

/** `deriveEncoderCost` that lets signals and timers through between evaluations; also throws `aborted`. */
export function deriveEncoderCostYielding(
  model: ModelProto,
  encoder: EncoderGraph,
  signal?: AbortSignal,
): Promise<CostModel> {
  return yielding(encoderCost(model, encoder), signal);
}

/** Yields after each evaluation of the graph. */
type Derivation<Result> = Generator<void, Result>;

function* decoderCost(
  model: ModelProto,
  decoder: DecoderGraph,
  options: DeriveOptions,
): Derivation<CostModel> {
  const polynomials = yield* polynomialsOf(decoderCounter(model, decoder, passes, options.logits).at);
  return {
    ...polynomials,
    parameters: countParameters(model, options.tiedEmbeddings),
    kvBytesPerToken: kvBytesPerToken(decoder),
  };
}

function* encoderCost(model: ModelProto, encoder: EncoderGraph): Derivation<CostModel> {
  const polynomials = yield* polynomialsOf(encoderCounter(model, encoder, passes).at);
  return { ...polynomials, parameters: countParameters(model), kvBytesPerToken: 0 };
}

function atOnce<Result>(derivation: Derivation<Result>): Result {
  for (;;) {
    const step = derivation.next();
    if (step.done) return step.value;
  }
}

async function yielding<Result>(derivation: Derivation<Result>, signal?: AbortSignal): Promise<Result> {
  for (;;) {
    const step = derivation.next();
    if (step.done) return step.value;
    await setImmediate();
    if (signal?.aborted) {
      throw new TokenworkError('aborted', 'Counting the graph was stopped.', 'Run the command again.', {
        cause: signal.reason,
      });
    }
  }
}

const passes = fitPoints.length + heldOutPoints.length;

function* polynomialsOf(
  count: (step: StepShape) => Tally,
): Derivation<Pick<CostModel, 'flops' | 'bytes' | 'mixture' | 'notCounted' | 'slidingWindow'>> {
  const tallies: Tally[] = [];
  for (const point of [...fitPoints, ...heldOutPoints]) {
    tallies.push(count(point));
    yield;
  }
  const fitted = tallies.slice(0, fitPoints.length);
  const heldOut = tallies.slice(fitPoints.length);
  const notCounted = tallies.map(notCountedIn).find((reason) => reason !== null);
  const derive = (what: string, read: (tally: Tally) => number): Polynomial => {
    const polynomial = fitPolynomial(fitted.map(read));
    // Of a count in part nothing is published, whatever form it has.
    if (notCounted === undefined && !holds(polynomial, heldOut.map(read))) throw notPolynomial(what);
    return polynomial;
  };
  const polynomials = <Key extends string>(
    kinds: readonly Key[],
    read: (tally: Tally) => Record<Key, number>,
  ): Record<Key, Polynomial> =>
    Object.fromEntries(kinds.map((kind) => [kind, derive(kind, (tally) => read(tally)[kind])])) as Record<
      Key,
      Polynomial
    >;
  return {
    flops: polynomials(flopKinds, (tally) => tally.flops),
    bytes: polynomials(byteKinds, (tally) => tally.bytes),
    mixture: mixtureOf(fitted[0]!),
    ...(notCounted !== undefined && { notCounted }),
    ...(fitted[0]!.window !== null && { slidingWindow: fitted[0]!.window }),
  };
}

/** One pass counted at given shapes, node by node. */
export interface PassCount {
  tally: Tally;
  unknownOps: string[];
  warnings: Warning[];
  notCounted: string | null;
}

export function countDecoder(model: ModelProto, decoder: DecoderGraph, step: StepShape): PassCount {
  return passCount(decoderCounter(model, decoder, 1).at(step));
}

/** `step` without a past, which an encoder has not. */
export function countEncoder(model: ModelProto, encoder: EncoderGraph, step: StepShape): PassCount {
  return passCount(encoderCounter(model, encoder, 1).at(step));
}

function passCount(tally: Tally): PassCount {
  return {
    tally,
    unknownOps: [...tally.unknownOps.keys()].sort(),
    warnings: warningsOf(tally),
    notCounted: notCountedIn(tally),
  };
}

function decoderCounter(
  model: ModelProto,
  decoder: DecoderGraph,
  evaluations: number,
  logits: 'last' | 'all' = 'last',
): { at: (step: StepShape) => Tally } {
  const prepared = prepareModel(model, { causal: true, passes: evaluations });
  const cache = {
    past: new Set(decoder.layers.flatMap(({ pastKey, pastValue }) => [pastKey, pastValue])),
    present: new Set(decoder.layers.flatMap(({ presentKey, presentValue }) => [presentKey, presentValue])),
  };
  return { at: (step) => countPrepared(prepared, decoderInputs(decoder, step, logits), cache).tally };
}

function encoderCounter(
  model: ModelProto,
  encoder: EncoderGraph,
  evaluations: number,
): { at: (step: StepShape) => Tally } {
  const prepared = prepareModel(model, { causal: false, passes: evaluations });
  const { inputIds, attentionMask, tokenTypeIds } = encoder;
  const inputs = [inputIds, attentionMask, tokenTypeIds].filter((input) => input !== null);
  const at = ({ batch, newTokens }: StepShape) => {
    const values = inputs.map(({ name, dtype }) => {
      const type = dtype === 'int64' ? DataType.int64 : DataType.int32;
      return [name, tensor(type, [batch, newTokens])] as const;
    });
    return countPrepared(prepared, new Map(values)).tally;
  };
  return { at };
}

/** Past tensors are as long as the past: in place or copied, that is what a step reads of them. */
function decoderInputs(decoder: DecoderGraph, step: StepShape, logits: 'last' | 'all'): Map<string, Value> {
  const { batch, newTokens, pastTokens } = step;
  const inputs = new Map<string, Value>();
  const index = (input: IndexInput | null, shape: number[], values?: number[]) => {
    if (input)
      inputs.set(
        input.name,
        tensor(input.dtype === 'int64' ? DataType.int64 : DataType.int32, shape, values),
      );
  };
  index(decoder.inputIds, [batch, newTokens]);
  index(decoder.attentionMask, [batch, pastTokens + newTokens]);
  index(decoder.positionIds, [batch, newTokens]);
  index(decoder.logitsToKeep, decoder.logitsToKeep?.rank === 0 ? [] : [1], [
    logits === 'all' ? newTokens : 1,
  ]);
  for (const layer of decoder.layers) {
    const { heads, headDim, valueHeadDim = headDim } = layer;
    const past = (size: number) => tensor(cacheType(layer.dtype), [batch, heads, pastTokens, size]);
    inputs.set(layer.pastKey, past(headDim)).set(layer.pastValue, past(valueHeadDim));
  }
  return inputs;
}

const cacheType = (dtype: 'fp32' | 'fp16') => (dtype === 'fp16' ? DataType.float16 : DataType.float);

function kvBytesPerToken({ layers }: DecoderGraph): number {
  return layers.reduce(
    (sum, { heads, headDim, valueHeadDim = headDim, dtype }) =>
      sum + storedBytes(cacheType(dtype), heads * (headDim + valueHeadDim)),
    0,
  );
}

function mixtureOf({ experts }: Tally): Mixture | null {
  if (!experts) return null;
  const { tokens: _, ...mixture } = experts;
  return mixture;
}

function notPolynomial(what: string): TokenworkError {
  return new TokenworkError(
    'cost-not-polynomial',
    `What the graph costs (${what}) is no polynomial in batch, new and past tokens.`,
    'Its control flow depends on the lengths; count single shapes with `tokenwork flops --shape`.',
  );
}
